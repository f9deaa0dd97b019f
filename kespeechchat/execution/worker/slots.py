"""Who may work in a worker process: several shards at once, or one that must run alone (a suspect)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Slots:
    """`size` shards at once. A shard that must run alone waits until the others are done; meanwhile none begins."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._changed = threading.Condition()
        self._running = 0
        self._alone_running = False
        self._alone_waiting = 0

    @contextlib.contextmanager
    def hold(self, alone: bool) -> Iterator[bool]:
        """Holds a slot while the block runs, all of them if `alone`. Yields whether no other shard runs meanwhile."""
        alone = alone or self._size == 1
        with self._changed:
            self._alone_waiting += alone
            self._changed.wait_for(lambda: self._may_begin(alone))
            self._alone_waiting -= alone
            self._running, self._alone_running = self._running + 1, alone
        try:
            yield alone
        finally:
            with self._changed:
                self._running, self._alone_running = self._running - 1, False
                self._changed.notify_all()

    def _may_begin(self, alone: bool) -> bool:
        return not self._alone_running and not (self._running if alone else self._alone_waiting)
