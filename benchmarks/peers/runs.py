"""One run of one side at one work: its files, its server, what it took, and what it left."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measured import Run, command
from benchmarks.peers.server import instruction
from benchmarks.peers.sides import HERE, ROOT, Side
from benchmarks.processes import kill

_MARK = "KESC_PEERS_RUN"  # in the environment of every process of a run, also of those that left its process tree


class SideFailed(RuntimeError):
    """A side's process did not end in 0; the message is the end of what it wrote."""


@dataclass(frozen=True)
class Answers:
    """What a run left, against what was asked: rows without an answer, with more than one, and answers of the server
    beyond one a row."""

    lost: int
    doubled: int
    made_twice: int

    @property
    def whole(self) -> bool:
        return self.lost == self.doubled == 0


def write_rows(path: Path, count: int) -> None:
    """JSON lines that all sides read: `row` is the number that the server knows by `instruction`."""
    with path.open("w", encoding="utf-8") as out:
        for row in range(count):
            asked = {"id": f"row-{row}", "row": row, "instruction": instruction(row)}
            out.write(json.dumps({**asked, "output": "It is farther than you can walk."}) + "\n")


@contextlib.contextmanager
def serving(log: Path, latency: float, at_once: int) -> Iterator[str]:
    """The URL of a server of `server.py` that runs while the block does."""
    words = [sys.executable, str(HERE / "server.py"), str(log), "--latency", str(latency), "--at-once", str(at_once)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


@dataclass(frozen=True)
class Job:
    """A folder in which a side works; the same job a second time is what the side makes of its first run."""

    side: Side
    folder: Path
    patience: float = 1800.0  # s that a run may take

    def write(self, **more: Any) -> Path:
        """The file that tells the side what to do."""
        self.folder.mkdir(parents=True, exist_ok=True)
        paths = {name: str(self.folder / name) for name in ("state", "out", "read")}
        paths |= {"rows": str(self.folder / "rows.jsonl"), "recipe": str(self.folder / "recipe.yaml")}
        file = self.folder / "job.json"
        file.write_text(json.dumps({**paths, **more}))
        return file

    def run(self, work: str, **more: Any) -> Run:
        """Does `work` and measures it. Raises SideFailed where it does not end in 0, or not within `patience`."""
        mark, late = uuid.uuid4().hex, threading.Event()
        words = self.side.command(work, self.write(**more))
        timer = threading.Timer(self.patience, lambda: (late.set(), kill_marked(mark)))
        timer.start()
        try:
            done = command(words, self._environment(mark))
        except RuntimeError as error:  # what starts the side has the mark too, and was killed with it
            if not late.is_set():
                raise
            raise SideFailed(f"{self.side.name}: {work} was still running after {self.patience:g} s\n{error}") from None
        finally:
            timer.cancel()
        if done.code != 0:
            raise SideFailed(f"{self.side.name}: {work} ended in {done.code}\n{done.output[-1500:]}")
        return done

    def run_and_kill(self, work: str, log: Path, after: int, **more: Any) -> None:
        """Starts `work`, and kills all of its processes once `log` has `after` lines. Raises SideFailed where it ends
        before."""
        mark, until = uuid.uuid4().hex, time.monotonic() + self.patience
        words = self.side.command(work, self.write(**more))
        with open(self.folder / "killed.txt", "w+") as out:
            process = subprocess.Popen(
                words, env={**os.environ, **self._environment(mark)}, stdout=out, stderr=subprocess.STDOUT
            )
            try:
                while _lines(log) < after:
                    if process.poll() is not None or time.monotonic() > until:
                        out.seek(0)
                        raise SideFailed(f"{self.side.name}: {work} did not reach the half\n{out.read()[-1500:]}")
                    time.sleep(0.02)
            finally:
                kill_marked(mark)
                process.wait()

    def answers(self, log: Path, rows: int) -> Answers:
        """What the side's output holds of `rows` rows, and how often the server was asked. Raises SideFailed."""
        self.run("read")
        lines = (self.folder / "read").read_text(encoding="utf-8").splitlines()
        found = Counter(json.loads(line)["row"] for line in lines)
        doubled = sum(count - 1 for count in found.values())
        return Answers(sum(row not in found for row in range(rows)), doubled, _lines(log) - rows)

    def _environment(self, mark: str) -> dict[str, str]:
        """Without this project's code for the others: their environments hold all that they need."""
        ours: Mapping[str, str] = {"PYTHONPATH": str(ROOT)} if self.side.ours else {"PYTHONPATH": ""}
        quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "NO_COLOR": "1"}
        own = {"HF_HOME": str(self.folder / "hf"), "HF_DATASETS_CACHE": str(self.folder / "hf" / "datasets")}
        path = f"{self.side.python.parent}{os.pathsep}{os.environ['PATH']}"  # as in an activated environment
        # `ray start` asks for a token where any Ray before has left one on this machine, and who connects sends none
        ray = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": mark}
        return {**ours, **quiet, **own, **ray, "PATH": path, _MARK: mark}


def kill_marked(mark: str) -> None:
    """SIGKILL to every process whose environment has `mark`, until none is left: also what left its parents' tree."""
    while found := [pid for pid in _processes() if _has(pid, mark)]:
        for pid in found:
            kill(pid)
        time.sleep(0.05)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _has(pid: int, mark: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" and f"{_MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0
