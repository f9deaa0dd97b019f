"""Who may be in a worker at a time: several shards together, or one that must be by itself (a suspect)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Room:
    """`size` shards at once. Who must be alone waits until the others have left, and nobody enters before him."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._changed = threading.Condition()
        self._inside, self._lone, self._waiting = 0, False, 0

    @contextlib.contextmanager
    def taken(self, alone: bool) -> Iterator[bool]:
        """Yields whether nobody else is inside, or will be."""
        alone = alone or self._size == 1
        with self._changed:
            self._waiting += alone
            self._changed.wait_for(lambda: not self._lone and not (self._inside if alone else self._waiting))
            self._waiting -= alone
            self._inside, self._lone = self._inside + 1, alone
        try:
            yield alone
        finally:
            with self._changed:
                self._inside, self._lone = self._inside - 1, False
                self._changed.notify_all()
