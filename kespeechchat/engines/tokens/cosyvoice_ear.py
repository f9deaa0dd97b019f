"""What tokenizes audio for CosyVoice: the ONNX file in a model folder, without the models beside it.

Rate and codebook size stand in the folder's YAML, which the library builds its LLM and flow by. The YAML is read as
text: it names Python classes, and CosyVoice need not be installed to hear.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, cast

from kespeechchat.config.engines import CosyVoiceTokensSettings, S3TokensSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.models import resolve

_RATES = (50, 25)  # tokens a second
_RATE = re.compile(r"^\s*(?:input|token)_frame_rate:\s*(\d+)", re.MULTILINE)  # the flow's own, or what it refers to
_SIZE = re.compile(r"^\s*speech_token_size:\s*(\d+)", re.MULTILINE)


def tokenizer_file(folder: Path, version: int) -> Path:
    """The speech tokenizer of a model folder of CosyVoice `version`."""
    return folder / f"speech_tokenizer_v{version}.onnx"


def ear_settings(settings: CosyVoiceTokensSettings) -> S3TokensSettings:
    """Settings of the engine that makes tokens of audio as `settings`' own does, and loads nothing else. Raises
    EngineError where the folder or its YAML is missing, or names a rate that no version has."""
    folder = resolve(settings.model)
    yaml = folder / f"cosyvoice{'' if settings.version == 1 else settings.version}.yaml"
    try:
        text = yaml.read_text(encoding="utf-8")
    except OSError as error:
        raise EngineError(f"engines.tokens, use: cosyvoice: {yaml} cannot be read: {error.strerror}") from error
    rate, size = _number(_RATE, text), _number(_SIZE, text)
    if rate not in _RATES or size is None:
        raise EngineError(
            f"engines.tokens, use: cosyvoice: the flow of {settings.model!r} takes {rate} tokens a second of {size} "
            f"({yaml.name}); known are {', '.join(map(str, _RATES))}"
        )
    return S3TokensSettings(
        use="s3",
        model=str(tokenizer_file(folder, settings.version)),
        rate=cast(Literal[50, 25], rate),
        size=size,
        threads=settings.threads,
    )


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(found.group(1)) if found else None
