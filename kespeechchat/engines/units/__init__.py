"""Units: speech as a sequence of discrete symbols, for trainers whose language model speaks in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kespeechchat.engines import Engine
from kespeechchat.engines.arrays import Int32
from kespeechchat.records import Audio, RowError

RATE = 50  # units a second


class Units(Engine, Protocol):
    """A quantizer of speech. `size`: how many units there are; each is in [0, size)."""

    size: int

    def units(self, audios: Sequence[Audio]) -> list[Int32 | RowError]:
        """Per utterance int32 [50 · seconds], rounded down by at most a frame or two at the end."""
        ...
