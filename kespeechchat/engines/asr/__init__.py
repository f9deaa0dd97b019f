"""ASR: utterances of one language in, raw transcripts with the recognizer's own scores out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kespeechchat.engines import Engine
from kespeechchat.records import Audio, Language, RowError, Word


@dataclass(frozen=True)
class Transcript:
    """What was recognized in one utterance, with Whisper's three scores (Radford et al. 2022, sec. 4.5), which are None
    where the recognizer gives none.

    `text`: as the recognizer gave it; the gate normalizes it. `avg_logprob`: natural log-probability per token, at most
    0. `compression_ratio`: bytes of the text to bytes of its zlib, 0.0 for empty text. `no_speech_prob`: 0..1. `words`:
    the same text in order, with times, none where the recognizer gives none: words (en), characters or short runs of
    them (zh), punctuation with its word.
    """

    text: str
    avg_logprob: float | None
    compression_ratio: float | None
    no_speech_prob: float | None
    words: tuple[Word, ...] = ()


class ASR(Engine, Protocol):
    """A speech recognizer."""

    def transcribe(self, audios: Sequence[Audio], language: Language) -> list[Transcript | RowError]:
        """Transcripts in the order of `audios` (any rate and length). Empty text is a transcript: nothing was heard."""
        ...
