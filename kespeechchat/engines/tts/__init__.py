"""TTS: text, language, speaker embedding and seed in, one utterance out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from kespeechchat.engines import Engine
from kespeechchat.engines.arrays import Float32, Int32
from kespeechchat.records import Audio, Language, RowError
from kespeechchat.speech_tokens import Codebook


@dataclass(frozen=True)
class Prompt:
    """A recording of the speaker, and what is said in it."""

    audio: Audio
    text: str


@dataclass(frozen=True)
class Utterance:
    """One utterance to speak.

    `embedding`: float32 [D] in the engine's own speaker space. `speed`: times the engine's own pace, which is 1.0.
    `prompt`: what an engine speaks from that takes a recording of the speaker in place of an embedding. `instruct`:
    how to speak, in words; None: as the engine's settings have it.
    """

    text: str
    language: Language
    embedding: Float32
    seed: int
    speed: float = 1.0
    prompt: Prompt | None = None
    instruct: str | None = None


class TTS(Engine, Protocol):
    """A speech synthesizer with virtual voices.

    `seeded`: another seed gives other speech; if not, a second try with a new seed is in vain. `sample_rate`: Hz, of
    everything it speaks. `embedding_size`: the D of `Utterance.embedding`, which engines that speak from a
    prompt do not read.
    """

    seeded: bool
    sample_rate: int
    embedding_size: int
    languages: tuple[Language, ...]

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | RowError]:
        """Speech in the order of `utterances`. Text must have passed `text.speakability`. Raises EngineError for an
        instruction where it takes none (`EngineSettings.manners`)."""
        ...


@runtime_checkable
class StockVoices(Protocol):
    """What a TTS with stock voices can do besides."""

    def style(self, mix: Mapping[str, float]) -> Float32:
        """Float32 [`embedding_size`]: a convex mix `{stock name: weight}`. Raises ValueError that names the fault."""
        ...


@dataclass(frozen=True)
class Spoken:
    """An utterance, and the speech tokens that it was made from, int32 [n]: at the engine's own pace, token k stands
    for the audio from k / rate seconds on."""

    audio: Audio
    tokens: Int32


class SpeaksFromTokens(Protocol):
    """What a TTS can do besides whose audio is made from speech tokens; its settings say `from_tokens`."""

    def speak_from_tokens(self, utterances: Sequence[Utterance]) -> list[Spoken | RowError]:
        """As `TTS.speak`, the very same audio, with the tokens behind it."""
        ...

    def codebook(self) -> Codebook:
        """Of the tokens. Raises EngineError where the model's tokenizer, which it names, is missing."""
        ...
