"""What stage 2 of `ke-omni` is made with: the profile's unit engine, and the gate's recognizer for word times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines import asr, units
from kespeechchat.records import Audio, Language, RowError, Word


class AgentUnits:
    """Loads its models when they are first needed."""

    rate = units.RATE

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        self._units_settings = pipeline.engine("units", name)
        self._asr_settings = pipeline.engine("asr", pipeline.stages.measure.asr)
        self._engines: tuple[units.Units, asr.ASR] | None = None
        self.settings = {  # what the units depend on, for an export's note
            "units": self._units_settings.relevant(),
            "asr": self._asr_settings.relevant(),
        }

    @property
    def size(self) -> int:
        return self._loaded()[0].size

    def read(self, audios: Sequence[Audio], language: Language) -> list[tuple[np.ndarray, list[Word]] | RowError]:
        """Per utterance (units int32 [n], words with their times in seconds), or what is wrong with it."""
        engine, recognizer = self._loaded()
        found = zip(engine.units(audios), recognizer.words(audios, language), strict=True)
        return [next((x for x in both if isinstance(x, RowError)), both) for both in found]

    def _loaded(self) -> tuple[units.Units, asr.ASR]:
        if self._engines is None:
            self._engines = (units.load(self._units_settings), asr.load(self._asr_settings))
        return self._engines


def units_reader(pipeline: Pipeline) -> AgentUnits | None:
    """None where the profile names no unit engine. Raises ConfigError where it names several."""
    names = list(pipeline.engines.units)
    if len(names) > 1:
        raise ConfigError(f"engines.units: {', '.join(names)}: name one, its units are what the trainer learns")
    return AgentUnits(pipeline, names[0]) if names else None
