"""What stage 2 of `ke-omni` is made with: the profile's unit engine. Word times are in the rows already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines.registry import load
from kespeechchat.engines.units import RATE, Units
from kespeechchat.records import Audio, RowError


class AgentUnits:
    """Loads its model when it is first needed."""

    rate = RATE

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        self._settings = pipeline.engine("units", name)
        self._engine: Units | None = None
        self.settings = {"units": self._settings.relevant()}  # what the units depend on, for an export's note

    @property
    def size(self) -> int:
        """How many different units there are; loads the engine."""
        return self._loaded().size

    def units(self, audios: Sequence[Audio]) -> list[npt.NDArray[np.int32] | RowError]:
        """Per utterance its units, int32 [n], or what is wrong with it."""
        return self._loaded().units(audios)

    def _loaded(self) -> Units:
        if self._engine is None:
            self._engine = load(self._settings)
        return self._engine


def units_reader(pipeline: Pipeline) -> AgentUnits | None:
    """None where the profile names no unit engine. Raises ConfigError where it names several."""
    names = list(pipeline.engines.units)
    if len(names) > 1:
        raise ConfigError(f"engines.units: {', '.join(names)}: name one engine, because the trainer learns its units")
    return AgentUnits(pipeline, names[0]) if names else None
