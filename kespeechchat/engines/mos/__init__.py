"""MOS: predicted speech quality, by the name of each head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kespeechchat.engines import Engine
from kespeechchat.records import Audio, RowError


class MOS(Engine, Protocol):
    """A predictor of mean opinion scores."""

    def score(self, audios: Sequence[Audio]) -> list[dict[str, float] | RowError]:
        """Per utterance, in order: score (about 1 to 5) by head.

        Heads: `dnsmos_ovrl`, `dnsmos_sig`, `dnsmos_bak`, `dnsmos_p808`, `utmos`, `distillmos`.
        """
        ...
