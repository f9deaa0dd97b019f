"""SIGTERM to a build: no more shards begin, and running shards may finish within a grace time.

Shards that are not done by then are left. They were never committed, and their deaths count against nobody because
their driver is gone. A second SIGTERM, or Ctrl-C, ends the build at once; so does the first SIGTERM while no shard is
running (while planning).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ENDED = "kesc: ended by SIGTERM. Committed shards are safe; run the same command to resume."


class GracefulStop:
    """Handles SIGTERM while it is entered. `grace`: seconds that running shards get to finish; 0 ends at once.

    `requested` is True once a SIGTERM has asked the build to stop.
    """

    def __init__(self, grace: float) -> None:
        self.requested = False
        self._grace, self._running = grace, False
        self._restore = contextlib.ExitStack()

    def __enter__(self) -> GracefulStop:
        if threading.current_thread() is threading.main_thread():  # no other thread may set signal handlers
            self._restore.callback(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, self._on_alarm))
            self._restore.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, self._on_sigterm))
            self._restore.callback(signal.setitimer, signal.ITIMER_REAL, 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore.close()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Around what runs shards. Where SIGTERM came meanwhile, ends the process with exit code 143 after the block;
        an error of the block is then only printed."""
        self._running = True
        try:
            yield
        except Exception as error:
            if not self.requested:
                raise
            _say(f"kesc: {type(error).__name__} after SIGTERM: {error}")
        finally:
            self._running = False
        if self.requested:
            self._end()

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        if not (self._running and self._grace) or self.requested:
            self._end()
        self.requested = True
        _say(f"kesc: SIGTERM: no more shards begin; running shards have {self._grace:g} s to finish")
        signal.setitimer(signal.ITIMER_REAL, self._grace)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        _say("kesc: the grace time is over; running shards are left and will be made again")
        self._end()

    def _end(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _say(_ENDED)
        raise SystemExit(143)


def _say(text: str) -> None:
    os.write(2, f"{text}\n".encode())
