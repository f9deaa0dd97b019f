"""The speech tokenizer of a model folder of CosyVoice: its file, and what its tokens are.

The folder's YAML gives rate and codebook size, and the library builds its LLM and flow by it. Here it is read as text:
it names Python classes, and CosyVoice need not be installed to hear.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kespeechchat.config.engines import CosyVoiceModelSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.models import content, resolve
from kespeechchat.speech_tokens import Codebook

_RATE = re.compile(r"^\s*(?:input|token)_frame_rate:\s*(\d+)", re.MULTILINE)  # the flow's own, or what it refers to
_SIZE = re.compile(r"^\s*speech_token_size:\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class SpeechTokenizer:
    """`file`: an ONNX model. `rate`: tokens a second, each in [0, `size`)."""

    file: Path
    rate: int
    size: int

    def codebook(self) -> Codebook:
        """Raises EngineError where the file is missing."""
        return Codebook(float(self.rate), self.size, content(str(self.file)))


def speech_tokenizer(settings: CosyVoiceModelSettings) -> SpeechTokenizer:
    """That of the folder. Raises EngineError where the folder or its YAML is missing, or does not say its figures."""
    folder, version = resolve(settings.model), settings.version
    yaml = folder / f"cosyvoice{'' if version == 1 else version}.yaml"
    try:
        text = yaml.read_text(encoding="utf-8")
    except OSError as error:
        raise EngineError(
            f"CosyVoice's {yaml} cannot be read: {error.strerror}; fetch the whole folder again"
        ) from error
    rate, size = (_number(pattern, text) for pattern in (_RATE, _SIZE))
    if not rate or not size:
        raise EngineError(
            f"{yaml} says {rate} tokens a second (input_frame_rate) of {size} (speech_token_size): it is no model of "
            f"CosyVoice {version}"
        )
    return SpeechTokenizer(folder / f"speech_tokenizer_v{version}.onnx", rate, size)


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(found.group(1)) if found else None
