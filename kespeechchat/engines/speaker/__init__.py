"""Speaker: who speaks (x-vector), and what the TTS needs to speak like them (TTS embedding)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kespeechchat.engines import Engine
from kespeechchat.engines.arrays import Float32
from kespeechchat.records import Audio, Gender, Language, RowError


class SpeakerEncoder(Engine, Protocol):
    """Finds who speaks. `size`: of its vectors."""

    size: int

    def xvectors(self, audios: Sequence[Audio]) -> list[Float32 | RowError]:
        """Unit-length float32 [size] per utterance. Any sample rate: the encoder resamples."""
        ...


class TTSEmbedder(Engine, Protocol):
    """Gives the voice that a TTS speaks with. `size`: of its vectors, the TTS's `embedding_size`."""

    size: int

    def embed(
        self,
        audios: Sequence[Audio],
        xvectors: Sequence[Float32],
        language: Language | None = None,
        genders: Sequence[Gender] | None = None,
    ) -> list[Float32 | RowError]:
        """Float32 [size] per utterance in the TTS's own speaker space, not normalized.

        An embedder that works from audio ignores `xvectors` and the other way round; one whose TTS has voices by
        language and gender stays inside those of the clip.
        """
        ...
