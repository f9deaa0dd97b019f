"""Units: speech as a sequence of discrete symbols, for trainers whose language model speaks in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from kespeechchat.records import Audio, RowError

RATE = 50  # units a second


class Units(Protocol):
    deterministic: bool
    size: int  # how many units there are; each is in [0, size)

    def identity(self) -> dict[str, str]: ...

    def units(self, audios: Sequence[Audio]) -> list[np.ndarray | RowError]:
        """Per utterance int32 [50 · seconds], rounded down by at most a frame or two at the end."""
        ...


def load(settings: Any) -> Units:
    match settings.use:
        case "hubert":
            from kespeechchat.engines.units.hubert import HubertUnits

            return HubertUnits(settings)
    raise ValueError(f"unknown units engine {settings.use!r}")
