"""The CosyVoice library as the engine needs it: a checked model folder, a quiet import, and its ways pinned down.

Read against FunAudioLLM/CosyVoice at ace7c47 and the package cosyvoice-minicpmo 0.1.0; `docs/cosyvoice.md` tells where
they differ. Loading a model runs what its YAML names and unpickles its weights: only from a trusted folder.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kespeechchat.config.engines import CosyVoiceModelSettings
from kespeechchat.engines import EngineError

_WEIGHTS = ("llm.pt", "flow.pt", "hift.pt", "campplus.onnx")
_FILES = {
    1: ("cosyvoice.yaml", *_WEIGHTS, "speech_tokenizer_v1.onnx"),
    2: ("cosyvoice2.yaml", *_WEIGHTS, "speech_tokenizer_v2.onnx", "CosyVoice-BlankEN"),
    3: ("cosyvoice3.yaml", *_WEIGHTS, "speech_tokenizer_v3.onnx", "CosyVoice-BlankEN"),
}
SAMPLE_RATES = {1: 22_050, 2: 24_000, 3: 24_000}  # Hz
_END = "<endofprompt>"  # closes an instruction: the mark of CosyVoice-300M-Instruct's own code


def check_folder(folder: Path, version: int) -> None:
    """Raises EngineError unless `folder` holds every file that this version's loader opens."""
    if not folder.is_dir():
        raise EngineError(
            f"CosyVoice's model {folder} is not a folder; name the folder that holds {_FILES[version][0]}"
        )
    for other in _FILES:
        name = f"cosyvoice{'' if other == 1 else other}.yaml"
        if other != version and (folder / name).exists() and not (folder / _FILES[version][0]).exists():
            raise EngineError(
                f"{folder} holds {name}, a CosyVoice {other} model, and the profile says {version}: set "
                f"version: {other}"
            )
    if missing := [name for name in _FILES[version] if not (folder / name).exists()]:
        raise EngineError(
            f"CosyVoice {version} model {folder} lacks {', '.join(missing)}; fetch the whole folder again"
        )


def check_device(settings: CosyVoiceModelSettings) -> str:
    """`cuda` or `cpu`: the library takes a GPU whenever it sees one, so settings it would not follow raise
    EngineError."""
    import torch

    found = "cuda" if torch.cuda.is_available() else "cpu"
    if settings.device == "cuda" and found == "cpu":
        raise EngineError("device: cuda, but torch sees no GPU; give the stage a GPU, or set device: auto")
    if settings.device == "cpu" and found == "cuda":
        raise EngineError("device: cpu, but CosyVoice takes any GPU it sees; set CUDA_VISIBLE_DEVICES= for this stage")
    if settings.fp16 and found == "cpu":
        raise EngineError("fp16: true needs a GPU (on a CPU CosyVoice would drop it silently)")
    return found


def load(folder: Path, settings: CosyVoiceModelSettings) -> Any:
    """The library's engine of the version over `folder`, ready to speak, without its log, warnings and bars.

    Raises EngineError where the library cannot be imported, the folder does not load, or its LLM is not loaded.
    """
    with _quiet():
        library = _import()
        kind = getattr(library, "CosyVoice" if settings.version == 1 else f"CosyVoice{settings.version}", None)
        if kind is None:
            raise EngineError(f"this build of CosyVoice has no version {settings.version}; install docs/cosyvoice.md's")
        try:
            model = kind(str(folder), load_trt=False, fp16=settings.fp16)
        except Exception as error:  # YAML, pickle, shapes, onnxruntime: each raises its own kinds
            raise EngineError(f"CosyVoice cannot load {folder}: {type(error).__name__}: {error}") from error
    library.tqdm = lambda items: items
    warnings.filterwarnings("ignore", message=r".*torch\.cuda\.amp\.autocast", category=FutureWarning)
    _check(model, folder, settings)
    if settings.version > 1:
        _hear_what_was_said(model.model.llm)
    return model


def embedding_size(model: Any) -> int:
    """Numbers in a voice that the flow and, where it takes one, the LLM were built for. Raises EngineError where they
    differ."""
    parts = [getattr(part, "spk_embed_affine_layer", None) for part in (model.model.flow, model.model.llm)]
    sizes = {int(part.in_features) for part in parts if part is not None}
    if len(sizes) != 1:
        raise EngineError(
            f"CosyVoice's flow and LLM take voices of different sizes {sorted(sizes)}: mixed model folders"
        )
    return sizes.pop()


def instruction(model: Any, text: str, voice: str) -> str:
    """`text` as `inference_instruct` needs it: closed by one end mark, which some releases append and some do not.

    `voice` must be in the frontend's table.
    """
    frontend = model.frontend
    bare = text.replace("<|endofprompt|>", "").replace(_END, "")
    tokens = frontend.frontend_instruct("a", voice, bare)["prompt_text"].shape[1]
    appends = tokens > frontend._extract_text_token(bare)[0].shape[1]
    return bare if appends else bare + _END


def source_digest() -> str:
    """Of the library's own code: a clone has no version number."""
    root = Path(importlib.import_module("cosyvoice").__path__[0])
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\n".encode() + file.read_bytes())
    return f"source sha256:{digest.hexdigest()[:16]}"


def _import() -> Any:
    try:
        return importlib.import_module("cosyvoice.cli.cosyvoice")
    except ImportError as error:
        raise EngineError(
            f"CosyVoice cannot be imported ({error}); it needs an environment of its own, with the clone and its "
            "third_party/Matcha-TTS on PYTHONPATH: see docs/cosyvoice.md"
        ) from error


def _check(model: Any, folder: Path, settings: CosyVoiceModelSettings) -> None:
    """What the library would otherwise let pass, and speak noise."""
    llm = getattr(model.model, "llm", None)
    if llm is None or llm.training:
        raise EngineError(
            "this build of CosyVoice does not load its LLM (as cosyvoice-minicpmo, made for MiniCPM-o): it would "
            "speak noise; install FunAudioLLM/CosyVoice as docs/cosyvoice.md says"
        )
    if model.sample_rate != SAMPLE_RATES[settings.version]:
        raise EngineError(
            f"{folder}: sample_rate {model.sample_rate}, CosyVoice {settings.version} has "
            f"{SAMPLE_RATES[settings.version]}"
        )
    if settings.mode == "instruct" and not getattr(model, "instruct", True):
        raise EngineError(f"{folder}: this release takes instructions only where the folder's name holds '-Instruct'")
    if settings.text_frontend and not _normalizes(model.frontend):
        raise EngineError("text_frontend: true, but neither ttsfrd nor wetext is installed beside CosyVoice")


def _hear_what_was_said(llm: Any) -> None:
    """Gives each cached step of a Qwen (versions 2 and 3) a mask of all positions so far; the library's is of length 1.

    transformers 4 ignores that mask. transformers 5 takes all that is missing for padding, so the LLM hears nothing
    but the first position, without an error. Under either, a step then equals the LLM without a cache.
    """
    import torch

    step = llm.llm.forward_one_step

    def forward_one_step(xs: Any, masks: Any, cache: Any = None) -> Any:
        heard = (cache.get_seq_length() if cache is not None else 0) + xs.shape[1]
        return step(xs, torch.ones(1, 1, heard, dtype=torch.bool, device=xs.device), cache)

    llm.llm.forward_one_step = forward_one_step


def _normalizes(frontend: Any) -> bool:
    return bool(getattr(frontend, "text_frontend", "") or hasattr(frontend, "use_ttsfrd"))


@contextmanager
def _quiet() -> Iterator[None]:
    """Importing the library sets the root logger to DEBUG with a handler of its own; undone here."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
