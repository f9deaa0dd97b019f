"""Exact sums of a quantity: in whole numbers, so in any order alike, and one by one or many at once alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kespeechchat.blocks import check_finite

UNIT = 1_000_000  # values are summed in millionths
_HALF = 20  # bits of the lower part of a value, of which squares are summed in parts
_MOST, _LARGEST = 1 << 17, 1 << 43  # values at once, and the largest: their sums fit into 64 bits


@dataclass(slots=True)
class Moments:
    """Count, sum, sum of squares and extremes of a quantity, in millionths."""

    count: int = 0
    total: int = 0
    squares: int = 0
    low: int | None = None
    high: int | None = None

    def add(self, value: float) -> None:
        """One value."""
        scaled = round(value * UNIT)
        self.count += 1
        self.total += scaled
        self.squares += scaled * scaled
        if self.low is None or scaled < self.low:
            self.low = scaled
        if self.high is None or scaled > self.high:
            self.high = scaled

    def add_all(self, values: npt.NDArray[np.float64], name: str) -> None:
        """Many values of the column `name`. Raises ValueError where one is not finite."""
        if not len(values):
            return
        check_finite(name, values)
        scaled = np.rint(values * UNIT)
        if len(values) > _MOST or np.abs(scaled).max() > _LARGEST:  # sums of squares might not fit into 64 bits
            for value in values.tolist():
                self.add(value)
            return
        whole = scaled.astype(np.int64)
        high, low = whole >> _HALF, whole & ((1 << _HALF) - 1)
        squares = (int((one * other).sum()) for one, other in ((high, high), (high, low), (low, low)))
        high_high, high_low, low_low = squares
        some = Moments(len(whole), int(whole.sum()), 0, int(whole.min()), int(whole.max()))
        some.squares = (high_high << 2 * _HALF) + (2 * high_low << _HALF) + low_low
        self.merge(some)

    def merge(self, other: Moments) -> None:
        """Takes in other values; the order does not matter."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        self.low = min((v for v in (self.low, other.low) if v is not None), default=None)
        self.high = max((v for v in (self.high, other.high) if v is not None), default=None)

    def result(self) -> dict[str, float | int | None]:
        """`count`, `mean`, `std` (of the population), `min`, `max`; all but the count None where there is no value."""
        if not self.count or self.low is None or self.high is None:
            return {"count": 0, "mean": None, "std": None, "min": None, "max": None}
        variance = max(0, self.count * self.squares - self.total * self.total) / self.count**2
        mean, std = self.total / self.count / UNIT, variance**0.5 / UNIT
        return {
            "count": self.count,
            "mean": round(mean, 4),
            "std": round(std, 4),
            "min": round(self.low / UNIT, 4),
            "max": round(self.high / UNIT, 4),
        }


def counted(values: npt.NDArray[Any]) -> dict[int, int]:
    """How often each integer is there."""
    numbers, counts = np.unique(values, return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))
