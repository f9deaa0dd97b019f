"""HuBERT's k-means units as tokens: one codebook, 50 a second (see `engines.units.hubert`)."""

from __future__ import annotations

from collections.abc import Sequence

from kespeechchat.config.engines import HubertTokensSettings
from kespeechchat.engines.arrays import Int32
from kespeechchat.engines.tokens import Tokens
from kespeechchat.engines.units import RATE
from kespeechchat.engines.units.hubert import HubertUnits
from kespeechchat.records import Audio, RowError


class HubertTokens(Tokens):
    """The units of `HubertUnits`."""

    rate = float(RATE)
    codebooks = 1

    def __init__(self, settings: HubertTokensSettings) -> None:
        """Raises EngineError where model or centroids are missing or do not fit each other."""
        self._units = HubertUnits(settings)
        self.size, self.deterministic = self._units.size, self._units.deterministic

    def identity(self) -> dict[str, str]:
        return self._units.identity()

    def tokens(self, audios: Sequence[Audio]) -> list[Int32 | RowError]:
        """Int32 [1, n] of each, as `HubertUnits.units`."""
        return [own if isinstance(own, RowError) else own[None] for own in self._units.units(audios)]
