"""How long the work on a shard took."""

from __future__ import annotations

import time


class Stopwatch:
    """Seconds since it was made, without those that are excluded (the loading of engines)."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def exclude(self, seconds: float) -> None:
        """Does not count these seconds, which have passed since the start."""
        self._began += seconds

    @property
    def seconds(self) -> float:
        """Seconds that count, up to now."""
        return time.monotonic() - self._began
