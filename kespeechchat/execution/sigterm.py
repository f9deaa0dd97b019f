"""SIGTERM to a build: no shard is begun any more, those at work come to their end within a grace time.

What is not done by then is left; it was never committed, and nobody is blamed for it, because its driver is gone. A
second SIGTERM, or Ctrl-C, ends the build at once, and so does the first one where no shard is at work (while planning).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

_ENDED = "kesc: ended by SIGTERM. What was committed stays; the same command goes on from there."


class Drain:
    def __init__(self, grace: float) -> None:
        """`grace`: seconds; 0 ends at once."""
        self.asked = False
        self._grace, self._at_work = grace, False
        self._before: Any = None

    def __enter__(self) -> Drain:
        self._mine = threading.current_thread() is threading.main_thread()  # no other may have handlers of signals
        if self._mine:
            self._before = signal.signal(signal.SIGTERM, self._told), signal.signal(signal.SIGALRM, self._over)
        return self

    def __exit__(self, *_: object) -> None:
        if self._mine:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGTERM, self._before[0])
            signal.signal(signal.SIGALRM, self._before[1])

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Around what runs shards. Ends the process where SIGTERM came meanwhile; what failed after it is only told."""
        self._at_work = True
        try:
            yield
        except Exception as error:
            if not self.asked:
                raise
            _say(f"kesc: {type(error).__name__} after SIGTERM: {error}")
        finally:
            self._at_work = False
        if self.asked:
            self._end()

    def _told(self, *_: object) -> None:
        if not (self._at_work and self._grace) or self.asked:
            self._end()
        self.asked = True
        _say(f"kesc: SIGTERM: no shard is begun any more; those at work have {self._grace:g} s to come to their end")
        signal.setitimer(signal.ITIMER_REAL, self._grace)

    def _over(self, *_: object) -> None:
        _say("kesc: the grace time is over; the shards at work are left and will be made again")
        self._end()

    def _end(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _say(_ENDED)
        raise SystemExit(143)


def _say(text: str) -> None:
    os.write(2, f"{text}\n".encode())
