"""Seconds, CPU and memory of a `kesc` command, of a function in a forked process, or of a block in this process."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory import Tree, peak, reset_peak

PROFILE = Path(__file__).parent.parent / "pipelines" / "quickstart.yaml"


@dataclass
class Figures:
    """What work used. Wall and CPU in seconds, memory in MiB."""

    seconds: float = 0.0
    cpu: float = 0.0  # of the process and of the children it waited for
    peak: float = 0.0  # of the process itself
    below: float = 0.0  # the most that all processes under it held together, sampled

    @property
    def memory(self) -> float:
        """Of the process and all under it, as if both had peaked at once."""
        return self.peak + self.below

    def __str__(self) -> str:
        below = f" and {self.below:.0f} MiB in processes under it" if self.below else ""
        return f"{self.seconds:.2f} s, {self.cpu:.2f} s of CPU, {self.peak:.0f} MiB{below}"


@dataclass
class Run(Figures):
    """A command that was run: also its exit code, and what it wrote to stdout and stderr."""

    code: int = 0
    output: str = ""


def kesc(*words: str, env: dict[str, str] | None = None) -> Run:
    """Runs `kesc` with `words` and measures it. Raises RuntimeError with its output where it does not end in 0."""
    run = command([sys.executable, "-m", "kespeechchat", *words], env)
    if run.code != 0:
        raise RuntimeError(f"kesc {' '.join(words)} ended in {run.code}: {run.output[-2000:]}")
    return run


def command(words: list[str], env: dict[str, str] | None = None) -> Run:
    """Runs a command from `benchmarks/launch.py`, so that its peak is its own, and measures it.

    Raises RuntimeError where it could not be started.
    """
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).parent / "launch.py")]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as out:
        result = Path(folder) / "result.json"
        process = subprocess.Popen(
            [*launcher, str(result), *words], stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
        with Tree(process.pid, skip=2) as tree:  # without the launcher and the command itself
            process.wait()
        out.seek(0)
        output = out.read()
        if process.returncode != 0:
            raise RuntimeError(f"{words[0]} could not be run: {output[-2000:]}")
        return Run(**json.loads(result.read_text()), below=tree.peak, output=output)


def forked(work: Callable[[], str]) -> tuple[Figures, str]:
    """Runs `work` in a forked process. Returns its figures (this process's memory counts in them) and what it returned.

    Raises RuntimeError where the process fails; its traceback is then on stderr.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            began = time.perf_counter()
            said = work()
            os.write(writing, json.dumps([time.perf_counter() - began, _cpu(), peak(), said]).encode())
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, "rb") as pipe, Tree(child, skip=1) as tree:
        data = pipe.read()
        _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError(f"the forked process ended in {os.waitstatus_to_exitcode(status)}")
    seconds, cpu, peaked, said = json.loads(data)
    return Figures(seconds, cpu, peaked, tree.peak), said


@contextmanager
def block(name: str) -> Iterator[Figures]:
    """Measures what is done inside and prints it; the figures are filled in at the end."""
    reset_peak()
    figures, began, cpu = Figures(), time.perf_counter(), _cpu()
    with Tree(os.getpid(), skip=1) as tree:
        yield figures
    figures.seconds, figures.cpu = time.perf_counter() - began, _cpu() - cpu
    figures.peak, figures.below = peak(), tree.peak
    print(f"{name:44} {figures}", flush=True)


def _cpu() -> float:
    """Seconds of this process and of the children that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
