"""Gender by a linear probe on the hidden layers of a speaker encoder (Resemblyzer), with pitch as its check.

`probe.json` beside this file is derived by `scripts/derive_gender_probe.py` from synthetic speech; its origin, licence
and figures are in `docs/gender.md`. It was taught to hear the timbre: half of what it learned from are men who speak at
women's pitch, and the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import resources

import numpy as np

from kespeechchat.config.engines import ProbeGenderSettings, ResemblyzerSettings
from kespeechchat.engines.arrays import Float32, Float64
from kespeechchat.engines.gender import GenderClassifier, GenderScore
from kespeechchat.engines.gender.f0 import F0Gender, f0
from kespeechchat.engines.speaker.resemblyzer import Resemblyzer
from kespeechchat.records import Audio, Gender, RowError

_UNKNOWN = GenderScore("unknown", 0.0)
_VOICED = 0.1  # share of 20 ms frames; speech has a third and more


@dataclass(frozen=True)
class Probe:
    """`weights` float64 [768] and `bias`: their logistic is a woman's probability. `digest` of the file."""

    weights: Float64
    bias: float
    digest: str

    def female(self, layers: Float32) -> float:
        """The probability, in (0, 1), of `layers` float32 [768] (see `Resemblyzer.layers`)."""
        margin = float(np.asarray(layers, dtype=np.float64) @ self.weights + self.bias)
        return float(0.5 * (1 + np.tanh(0.5 * margin)))  # the logistic, without overflow


@lru_cache(maxsize=1)
def shipped() -> Probe:
    """The probe beside this file."""
    raw = resources.files("kespeechchat.engines.gender").joinpath("probe.json").read_bytes()
    data = json.loads(raw)
    return Probe(np.array(data["weights"]), float(data["bias"]), sha256(raw).hexdigest()[:16])


class ProbeGender(GenderClassifier):
    """On CPU; each clip is heard alone, so its verdict does not depend on its batch."""

    deterministic = True

    def __init__(self, settings: ProbeGenderSettings) -> None:
        self._settings, self._probe = settings, shipped()
        self._encoder = Resemblyzer(ResemblyzerSettings(use="resemblyzer", threads=settings.threads))
        self._check = F0Gender(settings.check)

    def identity(self) -> dict[str, str]:
        encoder = {f"encoder.{k}": v for k, v in self._encoder.identity().items()}
        check = {f"check.{k}": v for k, v in self._check.identity().items()}
        return {"model": f"gender probe sha256:{self._probe.digest}"} | encoder | check

    def classify(self, audios: Sequence[Audio]) -> list[GenderScore | RowError]:
        """The score is the probe's probability. "unknown" without enough voiced sound; a RowError for audio that is
        broken, silent or holds less than 0.5 s of speech."""
        return [self._classify(audio) for audio in audios]

    def _classify(self, audio: Audio) -> GenderScore | RowError:
        (layers,) = self._encoder.layers([audio])
        if isinstance(layers, RowError):
            return layers
        if len(f0(audio.samples, audio.sample_rate)) < _VOICED * audio.seconds / 0.02:
            return _UNKNOWN
        (pitch,) = self._check.classify([audio])
        if isinstance(pitch, RowError):
            return pitch
        return verdict(self._probe.female(layers), pitch.gender, self._settings)


def verdict(female: float, pitch: Gender, settings: ProbeGenderSettings) -> GenderScore:
    """What the probability `female` and pitch's own word come to."""
    said = GenderScore("female", female) if female > 0.5 else GenderScore("male", 1 - female)
    against = pitch not in ("unknown", said.gender)
    return said if said.score >= (settings.against_pitch if against else settings.at_least) else _UNKNOWN
