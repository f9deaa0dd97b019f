"""What the benchmarks of the runner share: a `kesc` command timed in its own process, and a store quickly filled."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kespeechchat.state.orders import Order
from kespeechchat.store.interface import AlreadyExists
from kespeechchat.store.local import LocalFolder

PROFILE = Path(__file__).parent.parent / "pipelines" / "quickstart.yaml"


def rows(order: Order) -> list[dict[str, Any]]:
    """One row a shard, with what the closing table of a build reads."""
    row: dict[str, Any] = {"id": f"{order.name}-{order.key.shard}"}
    if order.name == "voices":
        row |= {"role": "user"}
    if order.name == "gate":
        turn = {"text": "Hi", "seconds": 1.0, "watermark_score": 1.0, "scores": [{"head": "dnsmos_ovrl", "value": 3.0}]}
        turns = [{**turn, "role": role, "voice": f"{role}-{order.key.shard % 1000}"} for role in ("user", "agent")]
        row |= {"language": order.language, "split": "train", "metric": "CER", "error_rate": 0.0}
        row |= {"edits": 0, "units": 2, "seconds": 2.0, "turns": turns}
    return [row]


@dataclass(frozen=True)
class Run:
    seconds: float
    cpu: float  # seconds, of this process alone like `peak`
    peak: float  # MiB of the process itself; Ray's own processes are not in it
    code: int
    said: str  # stdout and stderr

    @property
    def figures(self) -> str:
        return f"{self.seconds:6.2f} s, {self.cpu:6.2f} s of CPU, {self.peak:5.0f} MiB"


def kesc(*words: str, env: dict[str, str] | None = None) -> Run:
    """Runs a command and measures it. Raises RuntimeError with what it said where it ends in another code than 0."""
    with tempfile.TemporaryFile("w+") as out:
        began = time.perf_counter()
        command = [sys.executable, "-m", "kespeechchat", *words]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        run = Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, code, out.read())
    if code != 0:
        raise RuntimeError(f"kesc {' '.join(words)} ended in {code}: {run.said[-2000:]}")
    return run


class Unsynced(LocalFolder):
    """A folder that is filled without fsync: what is measured is reading it. Never for a build."""

    def create(self, key: str, data: bytes) -> None:
        try:
            self._write(key, data, "xb")
        except FileExistsError:
            raise AlreadyExists(key) from None

    def put(self, key: str, data: bytes) -> None:
        self._write(key, data, "wb")

    def _write(self, key: str, data: bytes, mode: str) -> None:
        path = self._path(key)
        try:
            file = open(path, mode)  # noqa: SIM115
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, mode)  # noqa: SIM115
        with file:
            file.write(data)
