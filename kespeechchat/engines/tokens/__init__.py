"""Tokens: speech as a sequence of discrete symbols that a language model reads and writes.

`engines.units` is the older form of the same: HuBERT's units alone, for the layout `ke-omni`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from kespeechchat.engines import Engine
from kespeechchat.engines.arrays import Int32
from kespeechchat.engines.tts import Utterance
from kespeechchat.records import Audio, RowError


class Tokens(Engine, Protocol):
    """A tokenizer of speech. `rate`: frames a second, each of `codebooks` tokens; every token is in [0, `size`)."""

    rate: float
    size: int
    codebooks: int

    def tokens(self, audios: Sequence[Audio]) -> list[Int32 | RowError]:
        """Per utterance int32 [codebooks, n], about rate · seconds frames; a RowError for one that is broken, silent
        or too short to hold a frame."""
        ...


@runtime_checkable
class TokensOfText(Protocol):
    """What a tokens engine can do besides that says a text as tokens, without audio between."""

    def tokens_of_text(self, utterances: Sequence[Utterance]) -> list[Int32 | RowError]:
        """Per utterance int32 [codebooks, n], what its voice would say."""
        ...
