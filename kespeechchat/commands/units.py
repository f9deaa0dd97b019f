"""What stage 2 of `ke-omni` is made with: the profile's unit engine, and the gate's recognizer for word times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines import asr, units
from kespeechchat.engines.registry import load
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
        """How many different units there are; loads the engines."""
        return self._loaded()[0].size

    def read(
        self, audios: Sequence[Audio], language: Language
    ) -> list[tuple[npt.NDArray[np.int32], list[Word]] | RowError]:
        """Per utterance (units int32 [n], words with their times in seconds), or what is wrong with it."""
        engine, recognizer = self._loaded()
        heard = zip(engine.units(audios), recognizer.words(audios, language), strict=True)
        return [_both(made, words) for made, words in heard]

    def _loaded(self) -> tuple[units.Units, asr.ASR]:
        if self._engines is None:
            self._engines = (load(self._units_settings), load(self._asr_settings))
        return self._engines


def _both(
    found: npt.NDArray[np.int32] | RowError, words: list[Word] | RowError
) -> tuple[npt.NDArray[np.int32], list[Word]] | RowError:
    if isinstance(found, RowError):
        return found
    return words if isinstance(words, RowError) else (found, words)


def units_reader(pipeline: Pipeline) -> AgentUnits | None:
    """None where the profile names no unit engine. Raises ConfigError where it names several."""
    names = list(pipeline.engines.units)
    if len(names) > 1:
        raise ConfigError(f"engines.units: {', '.join(names)}: name one, its units are what the trainer learns")
    return AgentUnits(pipeline, names[0]) if names else None
