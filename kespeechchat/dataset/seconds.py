"""Seconds of audio, summed by language as whole microseconds: exact, so in any order alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from kespeechchat.blocks import Codes, Floats

MICRO = 1_000_000  # of a second


@dataclass
class ByLanguage:
    """How many things there are of each language, and how long they are together."""

    counts: Counter[str] = field(default_factory=Counter)
    micros: Counter[str] = field(default_factory=Counter)

    def add(self, language: str, seconds: float) -> None:
        """One thing."""
        self.counts[language] += 1
        self.micros[language] += round(seconds * MICRO)

    def add_all(self, languages: Codes, seconds: Floats) -> None:
        """Many, float64 [n]."""
        micros = np.rint(seconds * MICRO).astype(np.int64)
        for language in languages.present():
            own = languages.where(language)
            self.counts[language] += int(own.sum())
            self.micros[language] += int(micros[own].sum())

    def merge(self, other: ByLanguage) -> None:
        """Takes in others; the order does not matter."""
        self.counts.update(other.counts)
        self.micros.update(other.micros)

    def numbers(self) -> dict[str, int]:
        """How many, by language."""
        return dict(sorted(self.counts.items()))

    def hours(self) -> dict[str, float]:
        """How long, by language."""
        return {language: round(micros / (3600 * MICRO), 6) for language, micros in sorted(self.micros.items())}
