"""Work that may hang, in a daemon thread with a time limit.

A thread cannot be killed: past the limit it is left behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Hung(RuntimeError):
    """The work has given no sign of life for the limit's time."""


class Watch:
    """Runs work in a thread; `beat`, called from within it, is a sign of life."""

    def __init__(self) -> None:
        self._beats = 0

    def beat(self) -> None:
        """The work goes on."""
        self._beats += 1

    def run(self, work: Callable[[], Any], limit: float) -> Any:
        """What `work` returns or raises; `Hung` where `limit` seconds pass without an end or a beat."""
        result: list[Any] = []
        raised: list[BaseException] = []

        def into() -> None:
            try:
                result.append(work())
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=into, name="cosyvoice", daemon=True)
        thread.start()
        while True:
            before = self._beats
            thread.join(limit)
            if raised:
                raise raised[0]
            if result:
                return result[0]
            if self._beats == before:
                raise Hung(f"has not answered for {limit:g} s")
