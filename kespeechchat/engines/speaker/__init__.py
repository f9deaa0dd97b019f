"""Speaker: who speaks (x-vector), and what the TTS needs to speak like them (TTS embedding)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from kespeechchat.engines import Engine
from kespeechchat.engines.arrays import Float32
from kespeechchat.records import Audio, Gender, Language, RowError


class SpeakerEncoder(Engine, Protocol):
    """Finds who speaks. `size`: of its vectors."""

    size: int

    def xvectors(self, audios: Sequence[Audio]) -> list[Float32 | RowError]:
        """Unit-length float32 [size] per utterance. Any sample rate: the encoder resamples."""
        ...


@dataclass(frozen=True)
class VoiceTable:
    """N voices that a TTS speaks well with. `embeddings` float32 [N, E], what it speaks with; `xvectors` float32
    [N, D]: unit length, of the encoder that the embedder works from; `seconds_per_character` float32 [N]; `misheard`
    float32 [N], the share of syllables or words that a recognizer misheard, where it is known."""

    embeddings: Float32
    xvectors: Float32
    seconds_per_character: Float32
    misheard: Float32 | None = None


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


@runtime_checkable
class ManyVoices(Protocol):
    """What an embedder can do besides that has a table of voices, wider than its likenesses of people."""

    def voices(self, language: Language, gender: Gender) -> VoiceTable:
        """The table's voices of a language and gender, in an order that stays. It may be empty."""
        ...
