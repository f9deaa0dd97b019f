"""TTS: text, language, speaker embedding and seed in, one utterance out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from kespeechchat.config.engine_base import EngineSettings
from kespeechchat.engines import Engine
from kespeechchat.engines.arrays import Float32, Int32
from kespeechchat.records import Audio, Language, RowError
from kespeechchat.speech_tokens import Codebook

_SHOWN = 40  # characters of an instruction in an error


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


def off_speed(utterance: Utterance, speeds: tuple[float, float]) -> RowError | None:
    """Why an engine that takes speeds from low to high cannot speak the utterance; None where it can."""
    low, high = speeds
    return None if low <= utterance.speed <= high else RowError(f"speed {utterance.speed} is not in {low}–{high}")


def cannot_be_told(utterance: Utterance, settings: EngineSettings) -> str | None:
    """Why an engine of these settings cannot be told how to speak the utterance, and what to do; None where it can, or
    is told nothing."""
    if utterance.instruct is None or (can := settings.manners((utterance.language,))).instructions:
        return None
    return f"takes no instructions, and is told {utterance.instruct[:_SHOWN]!r}: {can.for_instructions}"


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
