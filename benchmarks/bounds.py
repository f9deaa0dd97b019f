"""Bounds: what a benchmark promises, what it found, and the exit code that says whether the promise was kept.

    bounds = Bounds()
    bounds.at_most("kesc status", run.seconds, 60, "s")
    bounds.compare(("kesc build", 31.0), ("bare loop", 27.0), "s", at_most=1.2)
    sys.exit(bounds.close())  # 0: every bound holds; 1: at least one does not

Each bound is printed when it is judged, with what was found and the limit. NaN holds no bound.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """One figure and its limit, both in `unit`. `least`: the figure must reach the limit; otherwise not exceed it."""

    name: str
    found: float
    limit: float
    unit: str = ""
    least: bool = False

    @property
    def holds(self) -> bool:
        return self.found >= self.limit if self.least else self.found <= self.limit

    def __str__(self) -> str:
        side = "at least" if self.least else "at most"
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        return f"{self.name}: {number(self.found, self.unit)}, {side} {number(self.limit, self.unit)}: {verdict}"


class Bounds:
    """Prints each bound and remembers those that do not hold."""

    def __init__(self) -> None:
        self.judged = 0
        self.broken: list[str] = []  # their lines, as printed

    def at_most(self, name: str, found: float, limit: float, unit: str = "") -> bool:
        """Judges that `found` does not exceed `limit`. Returns whether that holds."""
        return self._judge(Bound(name, found, limit, unit))

    def at_least(self, name: str, found: float, limit: float, unit: str = "") -> bool:
        """Judges that `found` reaches `limit`. Returns whether that holds."""
        return self._judge(Bound(name, found, limit, unit, least=True))

    def check(self, name: str, holds: bool) -> bool:
        """Judges a condition that has no figure. Returns it."""
        return self._note(f"{name}: {'holds' if holds else 'DOES NOT HOLD'}", holds)

    def compare(
        self, ours: tuple[str, float], theirs: tuple[str, float], unit: str, at_most: float | None = None
    ) -> float:
        """Prints two sides, each (name, figure), and returns ours divided by theirs, bounded by `at_most` (None: not).

        A side of zero or less cannot be compared: the ratio is then infinite and exceeds any bound.
        """
        ratio = ours[1] / theirs[1] if theirs[1] > 0 and ours[1] > 0 else float("inf")
        name = f"{ours[0]} {number(ours[1], unit)}, {theirs[0]} {number(theirs[1], unit)}, ratio"
        if at_most is None:
            print(f"{name}: {number(ratio)}", flush=True)
        else:
            self.at_most(name, ratio, at_most)
        return ratio

    def close(self) -> int:
        """Prints how many bounds hold, and repeats the others. Returns the exit code: 0, or 1 where one does not hold.

        Raises RuntimeError where nothing was judged: such a run proves nothing.
        """
        if not self.judged:
            raise RuntimeError("no bound was judged: this run measured nothing that has one")
        print(f"{self.judged - len(self.broken)} of {self.judged} bounds hold", flush=True)
        for line in self.broken:
            print(f"  {line}", flush=True)
        return 1 if self.broken else 0

    def _judge(self, bound: Bound) -> bool:
        return self._note(str(bound), bound.holds)

    def _note(self, line: str, holds: bool) -> bool:
        print(line, flush=True)
        self.judged += 1
        if not holds:
            self.broken.append(line)
        return holds


def number(value: float, unit: str = "") -> str:
    """Four significant digits, thousands separated, with the unit. Large values keep all digits before the point."""
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{digits} {unit}".strip()
