"""The command as a process: its exit code is its own, whatever native libraries do when they are taken down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ABORTS = "import ctypes, sys; libc = ctypes.CDLL(None); libc.__cxa_atexit(libc.abort, None, None); "
KESC = "sys.argv = ['kesc', *sys.argv[1:]]; from kespeechchat.__main__ import kesc; kesc()"


def _python(program: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)


def _with_app(app: str) -> str:
    """A program that runs `app` as the command's."""
    return f"import sys, kespeechchat.__main__ as m, kespeechchat.cli as c; c.app = {app}; m.kesc()"


@pytest.mark.slow
@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), (["status", "nowhere.yaml"], 2), (["nonsense"], 2)])
def test_a_library_that_aborts_as_the_process_ends_changes_no_exit_code(words, code):
    assert _python(ABORTS).returncode == -6
    ended = _python(ABORTS + KESC, *words)
    assert ended.returncode == code
    assert ended.stdout or ended.stderr


def test_an_unforeseen_error_shows_its_traceback_and_hooks_still_run():
    fails = "import atexit; atexit.register(print, 'farewell'); " + _with_app("None")
    ended = _python(fails)
    assert (ended.returncode, ended.stdout) == (1, "farewell\n")
    assert "TypeError: 'NoneType' object is not callable" in ended.stderr


def test_what_could_not_be_said_is_no_success():
    says = _with_app("lambda **_: (print('all well'), sys.exit(0))")
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}  # so that the disk is met when all seems over
    with open("/dev/full", "w") as full:
        assert subprocess.run([sys.executable, "-c", says], stdout=full, env=buffered).returncode == 1
    assert _python(says).returncode == 0


def test_an_interrupt_before_the_command_has_begun_is_one_line():
    early = (
        "import sys, kespeechchat.__main__ as m\n"
        "class Interrupted:\n    def find_spec(*_):\n        raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "m.kesc()"
    )
    ended = _python(early)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "kesc: interrupted\n")


def test_a_full_disk_under_the_output_is_one_line():
    full = "def full(**_):\n    raise OSError(28, 'No space left on device')\n" + _with_app("full")
    ended = _python(full)
    assert (ended.returncode, ended.stderr) == (1, "kesc: [Errno 28] No space left on device\n")


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_are_closed_change_nothing(closed, quickstart, tmp_path):
    command = (
        f"{sys.executable} -m kespeechchat build {quickstart} --stage ingest --inline --root {tmp_path}/root {closed}"
    )
    assert subprocess.run(["bash", "-c", command], capture_output=True).returncode == 0
    told = _python("import sys; " + KESC, "status", "--root", f"{tmp_path}/root", "--json").stdout
    ingest = json.loads(told)["stages"][0]
    assert ingest["done"] == ingest["shards"] > 0


@pytest.mark.slow
def test_a_full_disk_under_the_log_ends_no_build(quickstart, tmp_path):
    words = ["build", quickstart, "--stage", "ingest", "--inline", "--root", tmp_path / "root"]
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "kespeechchat", *words]
        ended = subprocess.run(command, stderr=full, stdout=subprocess.PIPE, text=True)
    assert "shards built, all well" in ended.stdout
    assert ended.returncode == 1  # for not all was said


def test_a_command_that_fails_before_it_builds_leaves_no_process(tmp_path):
    """It has begun the process that workers would have been forked from."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [")
    command = [sys.executable, "-m", "kespeechchat", "build", broken]
    marked = os.environ | {"KESC_TEST_MARK": str(tmp_path)}
    assert subprocess.run(command, env=marked, capture_output=True).returncode == 2
    left = [one for one in Path("/proc").glob("[0-9]*/environ") if _holds(one, str(tmp_path).encode())]
    assert not left


def _holds(file: Path, text: bytes) -> bool:
    try:
        return text in file.read_bytes()
    except OSError:  # it has ended since, or is another user's
        return False
