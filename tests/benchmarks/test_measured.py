"""Memory that a benchmark reports is the work's own, whatever the benchmark itself has needed before."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.measured import block, command, forked, kesc
from benchmarks.memory import Tree, peak, resident

pytestmark = pytest.mark.slow

BALLAST = 300  # MiB
SMALL = [sys.executable, "-I", "-S", "-c", "print('hello')"]


def _hold(mib: int) -> bytearray:
    """Memory whose pages are really there."""
    return bytearray(b"x" * 2**20) * mib


def test_ru_maxrss_of_a_command_counts_the_memory_of_whoever_started_it():
    """Why benchmarks/launch.py exists. If this fails, Linux has changed and the launcher can go."""
    script = (
        f"import os; held = bytearray(b'x' * 2**20) * {BALLAST}; del held\n"
        f"pid = os.posix_spawn({sys.executable!r}, {SMALL!r}, os.environ)\n"
        "print(os.wait4(pid, 0)[2].ru_maxrss // 1024)"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(out.split()[-1]) > BALLAST


def test_a_command_s_peak_is_its_own():
    held = _hold(BALLAST)
    del held
    assert peak() > BALLAST  # this process's, which must not be counted
    run = command(SMALL)
    assert run.code == 0 and run.output == "hello\n"
    assert 1 < run.peak < 60 and run.below == 0


def test_a_command_s_peak_is_what_it_held():
    run = command([sys.executable, "-c", f"held = bytearray(b'x' * 2**20) * {BALLAST}; del held"])
    assert BALLAST < run.peak < BALLAST + 100


@pytest.mark.slow
def test_processes_under_a_command_are_counted_apart():
    child = f"import time; held = bytearray(b'x' * 2**20) * {BALLAST}; time.sleep(1)"
    run = command([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"])
    assert BALLAST < run.below < BALLAST + 100
    assert run.memory == run.peak + run.below


def test_a_command_s_exit_code_and_environment():
    run = command([sys.executable, "-c", "import os, sys; sys.exit(int(os.environ['CODE']))"], env={"CODE": "3"})
    assert run.code == 3
    run = command([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    assert run.code == -9


def test_a_command_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="could not be run"):
        command([str(tmp_path / "nothing")])


def test_a_kesc_that_fails_is_an_error_with_its_output(tmp_path):
    with pytest.raises(RuntimeError, match="ended in 2"):
        kesc("status", "--no-such-option")


def test_a_forked_function_s_figures_and_words():
    def work() -> str:
        held = _hold(BALLAST)
        time.sleep(0.1)
        return f"{len(held)} bytes"

    before = resident()
    figures, said = forked(work)
    assert said == f"{BALLAST * 2**20} bytes"
    assert BALLAST < figures.peak < before + BALLAST + 100
    assert figures.seconds >= 0.1 and figures.cpu > 0


def test_a_forked_function_that_raises_is_an_error(capfd):
    def work() -> str:
        raise ValueError("a broken benchmark")

    with pytest.raises(RuntimeError, match="ended in 1"):
        forked(work)
    assert "ValueError: a broken benchmark" in capfd.readouterr().err


def test_a_block_s_peak_counts_from_its_start(capsys):
    held = _hold(BALLAST)
    del held
    with block("little") as little:
        pass
    with block("much") as much:
        held = _hold(BALLAST)
        del held
    assert much.peak - little.peak > BALLAST / 2
    assert capsys.readouterr().out.startswith("little")


def test_a_tree_skips_what_it_is_told_to(tmp_path: Path):
    alone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        time.sleep(0.2)
        with Tree(alone.pid) as whole, Tree(alone.pid, skip=1) as below:
            time.sleep(0.05)
    finally:
        alone.communicate(b"\n")
    assert whole.peak > 1 and below.peak == 0
