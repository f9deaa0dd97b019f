"""A crash is written down by the process that crashes, whoever put handlers of its own over Python's."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal

import pytest

from kespeechchat.execution.worker.time_limit import crash_report, record_crashes

pytestmark = pytest.mark.faults


def _crash(before) -> int:
    child = os.fork()
    if not child:
        before()
        record_crashes()
        ctypes.string_at(0)
        os._exit(0)
    os.waitpid(child, 0)
    return child


def _handled_by_a_library() -> None:
    faulthandler.enable(file=os.open(os.devnull, os.O_WRONLY))
    ctypes.CDLL(None).signal(signal.SIGSEGV, 0)  # SIG_DFL, as C code sets it: Python does not know


@pytest.mark.parametrize("before", [lambda: None, _handled_by_a_library])
def test_a_crash_report_is_read_once(before):
    pid = _crash(before)
    assert "Segmentation fault" in crash_report(pid)
    assert crash_report(pid) is None
