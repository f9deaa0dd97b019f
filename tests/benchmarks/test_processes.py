"""CPU seconds are counted of processes that nobody waits for, as Ray's workers are."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from benchmarks.processes import CpuBelow

pytestmark = pytest.mark.slow

BURN = "import time; end = time.process_time() + 1.5\nwhile time.process_time() < end: pass"
ALONE = (  # as Ray's daemon does: the kernel clears its children away, and their CPU time is nobody's
    "import signal, subprocess, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    f"subprocess.Popen([sys.executable, '-c', {BURN!r}]).wait()"
)


@pytest.mark.parametrize("script", [BURN, ALONE])
def test_cpu_below_is_that_of_all_processes(script):
    with CpuBelow() as cpu:
        subprocess.run([sys.executable, "-c", script], check=True)
    assert 1.2 < cpu.seconds < 3


def test_what_a_process_used_before_the_block_does_not_count():
    words = [sys.executable, "-c", f"{BURN}\nprint('done', flush=True)\ninput()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with CpuBelow() as cpu:
            time.sleep(0.5)
        process.communicate(b"\n")
    assert cpu.seconds < 0.5
