"""Time limits for calls that may hang, and a crash report of a process that dies.

A call into a library that hangs cannot be interrupted, so its process must end. The open entry in the attempt journal
then names what was under way, and says that it hung. A thread keeps the time. Where the hung call does not release the
interpreter's lock no Python thread runs; then faulthandler's own timer ends the process a little later.

faulthandler also records where a process was when it crashed (SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL), in a file
named after its process id, which the next attempt on the same machine reads. A process killed by SIGKILL leaves none.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

_PATIENCE = 20.0  # seconds past the limit, until faulthandler ends a process whose Python threads do not run
_LINES = 12  # of a crash report: the signal, and the innermost frames
_reports: list[TextIO] = []  # this process's, kept open because faulthandler writes to the file descriptor


@contextlib.contextmanager
def time_limit(seconds: float | None, on_timeout: Callable[[float], None], alone: bool = True) -> Iterator[None]:
    """Calls `on_timeout(seconds)` from another thread when the block takes longer; it should end the process.

    `alone`: no other limited block runs in this process meanwhile, so faulthandler's one timer may back this one up.
    """
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, on_timeout, [seconds])
    timer.daemon = True
    timer.start()
    if backed_up := alone and bool(_reports):
        faulthandler.dump_traceback_later(seconds + _PATIENCE, exit=True, file=_reports[-1])
    try:
        yield
    finally:
        timer.cancel()
        if backed_up:
            faulthandler.cancel_dump_traceback_later()


def record_crashes() -> None:
    """From now on a crash of this process is recorded, unless the machine's temporary folder cannot be written."""
    with contextlib.suppress(OSError):
        report = open(_report_of(os.getpid()), "w")  # noqa: SIM115  # open for as long as the process lives
        faulthandler.disable()  # were it enabled, `enable` would not replace a handler that a library installed since
        faulthandler.enable(report, all_threads=False)
        _reports.append(report)


def crash_report(pid: int) -> str | None:
    """The crash report of the process `pid` of this machine, None where there is none. It is read once, then gone."""
    try:
        path = _report_of(pid)
        report = path.read_text(errors="replace").strip()
        path.unlink()
    except OSError:
        return None
    return "\n".join(report.splitlines()[:_LINES]) or None


def _report_of(pid: int) -> Path:
    folder = Path(tempfile.gettempdir()) / f"kesc-crashes-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{pid}.txt"
