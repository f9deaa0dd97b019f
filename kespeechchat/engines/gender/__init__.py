"""Gender of a voice: female, male, or an honest unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kespeechchat.records import Audio, Gender, RowError


@dataclass(frozen=True)
class GenderScore:
    gender: Gender
    score: float  # 0..1, confidence in `gender`; 0 where unknown


class GenderClassifier(Protocol):
    deterministic: bool

    def identity(self) -> dict[str, str]: ...

    def classify(self, audios: Sequence[Audio]) -> list[GenderScore | RowError]: ...


def load(settings: Any) -> GenderClassifier:
    match settings.use:
        case "f0":
            from kespeechchat.engines.gender.f0 import F0Gender

            return F0Gender(settings)
        case "classifier":
            from kespeechchat.engines.gender.classifier import ClassifierGender

            return ClassifierGender(settings)
        case "probe":
            from kespeechchat.engines.gender.probe import ProbeGender

            return ProbeGender(settings)
    raise ValueError(f"unknown gender engine {settings.use!r}")
