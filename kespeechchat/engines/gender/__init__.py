"""Gender of a voice: female, male, or an honest unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kespeechchat.engines import Engine
from kespeechchat.records import Audio, Gender, RowError


@dataclass(frozen=True)
class GenderScore:
    """`score`: 0..1, the confidence in `gender`; 0 where that is unknown."""

    gender: Gender
    score: float


class GenderClassifier(Engine, Protocol):
    """Hears the gender of a voice."""

    def classify(self, audios: Sequence[Audio]) -> list[GenderScore | RowError]:
        """Gender and confidence per utterance, in order."""
        ...
