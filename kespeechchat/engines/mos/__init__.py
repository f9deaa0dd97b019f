"""MOS: predicted speech quality, by the name of each head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from kespeechchat.records import Audio, RowError


class MOS(Protocol):
    deterministic: bool

    def identity(self) -> dict[str, str]: ...

    def score(self, audios: Sequence[Audio]) -> list[dict[str, float] | RowError]:
        """Per utterance: head name (`dnsmos_ovrl`, `dnsmos_sig`, `dnsmos_bak`, `dnsmos_p808`, `utmos`) → value."""
        ...


def load(settings: Any) -> MOS:
    match settings.use:
        case "dnsmos":
            from kespeechchat.engines.mos.dnsmos import DNSMOS

            return DNSMOS(settings)
        case "utmos":
            from kespeechchat.engines.mos.utmos import UTMOS

            return UTMOS(settings)
        case "all":
            from kespeechchat.engines.mos.combined import CombinedMOS

            return CombinedMOS(settings)
    raise ValueError(f"unknown mos engine {settings.use!r}")
