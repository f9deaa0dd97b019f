"""Several MOS engines as one: their heads side by side."""

from __future__ import annotations

from collections.abc import Sequence

from kespeechchat.config.engines import AllMOSSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.mos import MOS
from kespeechchat.engines.registry import load
from kespeechchat.records import Audio, RowError


class CombinedMOS(MOS):
    """A `MOS` engine that asks each of `settings.engines` in turn."""

    def __init__(self, settings: AllMOSSettings) -> None:
        names = [one.use for one in settings.engines]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise EngineError(f"mos.use: all: engines names {', '.join(twice)} more than once; its heads would collide")
        self._engines = {one.use: load(one) for one in settings.engines}
        self.deterministic = all(engine.deterministic for engine in self._engines.values())

    def identity(self) -> dict[str, str]:
        return {f"{name}.{key}": text for name, e in self._engines.items() for key, text in e.identity().items()}

    def score(self, audios: Sequence[Audio]) -> list[dict[str, float] | RowError]:
        """All heads of all engines; a RowError where any of them could not score the utterance."""
        each = [engine.score(audios) for engine in self._engines.values()]
        return [_merged(scores) for scores in zip(*each, strict=True)]


def _merged(scores: Sequence[dict[str, float] | RowError]) -> dict[str, float] | RowError:
    out: dict[str, float] = {}
    for score in scores:
        if isinstance(score, RowError):
            return score
        out |= score
    return out
