"""`kesc` commands, each in a process of its own that costs no imports, killed or starved of disk on request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from select import select
from typing import IO, Any

from benchmarks.tonal.world import environment


class Running:
    """A command under way, one at a time."""

    def __init__(self, pid: int, ends: IO[str]) -> None:
        self.pid, self._ends, self._code = pid, ends, None

    def poll(self) -> int | None:
        return self.wait() if self._code is not None or select([self._ends], [], [], 0)[0] else None

    def wait(self) -> int:
        if self._code is None:
            self._code = int(self._ends.readline())
        return self._code


class Kesc:
    """Serves `kesc` commands by forks of one process (forked.py), with engines of tones; `said` keeps the last one's
    stdout and stderr."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None) -> None:
        self._said = folder / "said.txt"
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "forked.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env or environment(),
            text=True,
        )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def __call__(
        self, words: Sequence[str], root: str | Path = "", begun: Callable[[int], None] | None = None, **faults: Any
    ) -> int:
        """The exit code; -9 where a kill met it. `begun` is told the process id when it starts; `faults`: of start."""
        running = self.start(words, root, **faults)
        if begun:
            begun(running.pid)
        return running.wait()

    def start(
        self,
        words: Sequence[str],
        root: str | Path = "",
        kill_at: int | None = None,
        log: Path | None = None,
        full_at: int | None = None,
    ) -> Running:
        env = {k: v for k, v in os.environ.items() if k.startswith(("AWS_", "KESC_STORE"))}
        asked = {"command": list(words), "root": str(root), "kill_at": kill_at, "full_at": full_at, "env": env}
        self._server.stdin.write(json.dumps(asked | {"log": str(log), "said": str(self._said)}) + "\n")
        self._server.stdin.flush()
        return Running(int(self._server.stdout.readline()), self._server.stdout)

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait(10)
