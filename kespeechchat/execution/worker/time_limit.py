"""Time limits, and the last words of a process that dies.

A call into a library that hangs cannot be interrupted, so the process is left: the attempt journal's open entry names
what was under way, and says that it hung. A thread keeps the time. Where the hung call does not give up the
interpreter's lock no thread of Python runs; then faulthandler's own timer ends the process, a little later.

faulthandler also writes down where a process was when it crashed (SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL), into a
file named after its process id; the next attempt on the same machine reads it. Who is killed with SIGKILL says nothing.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_PATIENCE = 20.0  # seconds past the limit, until faulthandler ends a process whose threads do not run
_LINES = 12  # of the last words: the signal, and the innermost frames
_open_files = []  # faulthandler writes to the file descriptor


@contextlib.contextmanager
def time_limit(seconds: float | None, over: Callable[[float], None], alone: bool = True) -> Iterator[None]:
    """Calls `over(seconds)` from another thread when the block takes longer; `over` should leave the process.

    `alone`: no other block of this process runs meanwhile, so that faulthandler's one timer may stand behind it.
    """
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, over, [seconds])
    timer.daemon = True
    timer.start()
    if behind := alone and bool(_open_files):
        faulthandler.dump_traceback_later(seconds + _PATIENCE, exit=True, file=_open_files[-1])
    try:
        yield
    finally:
        timer.cancel()
        if behind:
            faulthandler.cancel_dump_traceback_later()


def keep_last_words() -> None:
    """From now on a crash of this process is written down, where the machine has room for that."""
    with contextlib.suppress(OSError):
        file = open(_file(os.getpid()), "w")  # noqa: SIM115  # open for as long as the process lives
        faulthandler.disable()  # enabled already, it would leave the handlers alone that a library put over its own
        faulthandler.enable(file, all_threads=False)
        _open_files.append(file)


def last_words(pid: int) -> str | None:
    """What the process said when it crashed; read once, then gone."""
    try:
        path = _file(pid)
        said = path.read_text(errors="replace").strip()
        path.unlink()
    except OSError:
        return None
    return "\n".join(said.splitlines()[:_LINES]) or None


def _file(pid: int) -> Path:
    folder = Path(tempfile.gettempdir()) / f"kesc-last-words-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{pid}.txt"
