"""ASR: utterances of one language in, raw transcripts with the recognizer's own scores out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kespeechchat.records import Audio, Language, RowError, Word


@dataclass(frozen=True)
class Transcript:
    text: str  # as the recognizer gave it; normalization is the gate's
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class ASR(Protocol):
    deterministic: bool

    def identity(self) -> dict[str, str]: ...

    def transcribe(self, audios: Sequence[Audio], language: Language) -> list[Transcript | RowError]: ...

    def words(self, audios: Sequence[Audio], language: Language) -> list[list[Word] | RowError]:
        """What was heard, with times: words (en) or short runs of characters (zh). Only layouts with units need it."""
        ...


def load(settings: Any) -> ASR:
    match settings.use:
        case "faster_whisper":
            from kespeechchat.engines.asr.faster_whisper import FasterWhisper

            return FasterWhisper(settings)
    raise ValueError(f"unknown asr engine {settings.use!r}")
