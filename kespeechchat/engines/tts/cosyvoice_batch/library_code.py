"""The versions of the library that the loops here were read and tested against, known by their code."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

from kespeechchat.engines import EngineError

_FILES = (
    "llm/llm.py",
    "flow/flow.py",
    "flow/flow_matching.py",
    "flow/decoder.py",
    "flow/length_regulator.py",
    "hifigan/generator.py",
    "hifigan/f0_predictor.py",
    "transformer/attention.py",
    "transformer/embedding.py",
    "transformer/encoder.py",
    "transformer/encoder_layer.py",
    "transformer/positionwise_feed_forward.py",
    "transformer/subsampling.py",
    "transformer/upsample_encoder.py",
    "utils/common.py",
    "utils/mask.py",
)
_KNOWN = {
    "7ae667f521131258": "cosyvoice-minicpmo 0.1.0",
    "d2f2a5f5fa9021df": "FunAudioLLM/CosyVoice at ace7c47",
}


def check(root: Path | None = None) -> str:
    """The name of the library's version at `root` (default: the one that is imported).

    Raises EngineError for code that is none of the known versions.
    """
    root = root or Path(importlib.import_module("cosyvoice").__path__[0])
    digest = code_digest(root)
    if digest not in _KNOWN:
        raise EngineError(
            f"CosyVoice at {root} is no version that batches were tested with ({', '.join(_KNOWN.values())}; its code "
            f"has the digest {digest}): install one of those, or, to speak, set batch: 1"
        )
    return _KNOWN[digest]


def code_digest(root: Path) -> str:
    """Of the files whose modules and rules the loops rely on. Raises EngineError where one is missing."""
    digest = hashlib.sha256()
    for name in _FILES:
        if not (root / name).is_file():
            raise EngineError(f"CosyVoice at {root} lacks {name}, so batches cannot use it: to speak, set batch: 1")
        digest.update(f"{name}\n".encode() + (root / name).read_bytes())
    return digest.hexdigest()[:16]
