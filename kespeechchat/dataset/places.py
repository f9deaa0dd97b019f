"""The place of a turn on the timeline of its dialogue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a turn is, in samples of the dialogue: it is heard from `start` to `end`.

    `text`: what is heard of it. `whole`: the samples of its speech; more than it is heard for where the user barged in,
    and then the last `fade` of them fade out. `offset`: the floor-transfer offset before it, in samples; None of the
    first turn.
    """

    start: int
    samples: int
    text: str
    whole: int
    fade: int = 0
    offset: int | None = None

    @property
    def end(self) -> int:
        """The sample behind its last one."""
        return self.start + self.samples

    @property
    def cut(self) -> bool:
        """Whether the user barged in."""
        return self.samples < self.whole
