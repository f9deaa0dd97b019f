"""TTS: text, language, speaker embedding and seed in, one utterance out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kespeechchat.records import Audio, Language, RowError


@dataclass(frozen=True)
class Utterance:
    """`embedding` float32 [D] of the engine's own speaker space; `speed` 1.0 is the engine's own pace."""

    text: str
    language: Language
    embedding: np.ndarray
    seed: int
    speed: float = 1.0


class TTS(Protocol):
    deterministic: bool
    seeded: bool  # whether another seed gives other speech at all; if not, a second try with a new seed is in vain
    sample_rate: int  # Hz, of everything it speaks
    embedding_size: int
    languages: tuple[Language, ...]

    def identity(self) -> dict[str, str]: ...

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | RowError]:
        """Speech in the order of `utterances`. Text must have passed `text.speakability`."""
        ...


def load(settings: Any) -> TTS:
    match settings.use:
        case "kokoro":
            from kespeechchat.engines.tts.kokoro import Kokoro

            return Kokoro(settings)
        case "cosyvoice":
            from kespeechchat.engines.tts.cosyvoice import CosyVoice

            return CosyVoice(settings)
    raise ValueError(f"unknown tts engine {settings.use!r}")
