"""A unit: what one actor runs and one folder of ROOT holds, a stage alone or neighbouring stages fused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """Stages in flow order. What passes between them stays in memory; only the last one's output is published, under
    its name.

    >>> unit = Unit(("synthesize", "watermark"))
    >>> unit.name, unit.first, "synthesize" in unit, str(unit)
    ('watermark', 'synthesize', True, 'synthesize+watermark')
    """

    stages: tuple[str, ...]

    @classmethod
    def of(cls, *stages: str) -> Unit:
        """`Unit.of("a", "b")` is `Unit(("a", "b"))`."""
        return cls(stages)

    @property
    def name(self) -> str:
        """The stage whose output is published; it names the unit's folder in ROOT."""
        return self.stages[-1]

    @property
    def first(self) -> str:
        """The stage whose input is the unit's input; it names the unit's resources in the profile."""
        return self.stages[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stages)

    def __contains__(self, stage: object) -> bool:
        return stage in self.stages

    def __str__(self) -> str:
        return "+".join(self.stages)
