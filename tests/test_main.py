"""The command as a process: its exit code is its own, whatever native libraries do when they are taken down."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ABORTS = "import ctypes, sys; libc = ctypes.CDLL(None); libc.__cxa_atexit(libc.abort, None, None); "
KESC = "sys.argv = ['kesc', *sys.argv[1:]]; from kespeechchat.__main__ import kesc; kesc()"


def _python(program: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), (["status", "nowhere.yaml"], 2), (["nonsense"], 2)])
def test_a_library_that_aborts_as_the_process_ends_changes_no_exit_code(words, code):
    assert _python(ABORTS).returncode == -6
    ended = _python(ABORTS + KESC, *words)
    assert ended.returncode == code
    assert ended.stdout or ended.stderr


def test_an_unforeseen_error_shows_its_traceback_and_hooks_still_run():
    fails = "import atexit, sys, kespeechchat.__main__ as m; atexit.register(print, 'farewell'); m.app = None; m.kesc()"
    ended = _python(fails)
    assert (ended.returncode, ended.stdout) == (1, "farewell\n")
    assert "TypeError: 'NoneType' object is not callable" in ended.stderr


def test_what_could_not_be_said_is_no_success():
    says = "import sys, kespeechchat.__main__ as m; m.app = lambda **_: (print('all well'), sys.exit(0)); m.kesc()"
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}  # so that the disk is met when all seems over
    with open("/dev/full", "w") as full:
        assert subprocess.run([sys.executable, "-c", says], stdout=full, env=buffered).returncode == 1
    assert _python(says).returncode == 0
