"""Speaker: who speaks (x-vector), and what the TTS needs to speak like them (TTS embedding)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from kespeechchat.records import Audio, Gender, Language, RowError


class SpeakerEncoder(Protocol):
    deterministic: bool
    size: int

    def identity(self) -> dict[str, str]: ...

    def xvectors(self, audios: Sequence[Audio]) -> list[np.ndarray | RowError]:
        """Unit-length float32 [size] per utterance. Any sample rate: the encoder resamples."""
        ...


class TTSEmbedder(Protocol):
    deterministic: bool
    size: int

    def identity(self) -> dict[str, str]: ...

    def embed(
        self,
        audios: Sequence[Audio],
        xvectors: Sequence[np.ndarray],
        language: Language | None = None,
        genders: Sequence[Gender] | None = None,
    ) -> list[np.ndarray | RowError]:
        """Float32 [size] per utterance in the TTS's own speaker space, not normalized. An embedder that works from
        audio ignores `xvectors` and the other way round; one whose TTS has voices by language and gender stays inside
        those of the clip."""
        ...


def load(settings: Any) -> SpeakerEncoder:
    match settings.use:
        case "resemblyzer":
            from kespeechchat.engines.speaker.resemblyzer import Resemblyzer

            return Resemblyzer(settings)
        case "wavlm":
            from kespeechchat.engines.speaker.wavlm import WavLM

            return WavLM(settings)
        case "speechbrain":
            from kespeechchat.engines.speaker.speechbrain import SpeechBrain

            return SpeechBrain(settings)
    raise ValueError(f"unknown speaker encoder {settings.use!r}")


def load_embedder(settings: Any) -> TTSEmbedder:
    match settings.use:
        case "kokoro_projection":
            from kespeechchat.engines.speaker.kokoro_projection import KokoroProjection

            return KokoroProjection(settings)
        case "campplus":
            from kespeechchat.engines.speaker.campplus import CAMPlus

            return CAMPlus(settings)
    raise ValueError(f"unknown TTS embedder {settings.use!r}")
