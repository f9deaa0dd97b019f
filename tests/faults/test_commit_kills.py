"""kill -9 at every boundary of the commit protocol, through `kesc build` with a real stage.

After each kill the same command goes on, and what stands in the end is what an undisturbed build holds; what was
committed before the kill keeps its bytes.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.ground import PROFILE, committed, ingested, questions

STEPS = {"plan", "attempts", "data", "commits"}


class Builds:
    """`kesc build --stage ingest --inline`, each in a process of its own."""

    def __init__(self, inputs: Path) -> None:
        self._inputs = inputs
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "forked.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, root: Path, kill_at: int | None = None, log: Path | None = None) -> int:
        """Its exit code; -9 where the kill met it."""
        command = ["build", str(PROFILE), "--inline", "--stage", "ingest", "--root", str(root)]
        command += ["--input", str(self._inputs), "--set", "instructions.shard_size=2"]
        asked = {"command": command, "kill_at": kill_at, "root": str(root), "log": str(log)}
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait(10)


@pytest.fixture
def build(tmp_path):
    builds = Builds(questions(tmp_path / "questions.jsonl", 3))
    yield builds
    builds.close()


@pytest.mark.faults
def test_a_kill_at_any_boundary_loses_and_doubles_nothing(tmp_path, build):
    assert build(tmp_path / "undisturbed") == 0
    wanted = ingested(tmp_path / "undisturbed")
    log = tmp_path / "kills.log"
    kills = 0
    while (code := build(root := tmp_path / f"killed-{kills:03d}", kills, log)) == -signal.SIGKILL:
        before = committed(root)
        assert build(root) == 0, f"the build after kill {kills} failed"
        after = committed(root)
        assert {name: after[name] for name in before} == before, f"a committed shard changed after kill {kills}"
        assert ingested(root) == wanted, f"other rows after kill {kills}"
        kills += 1
    assert code == 0
    hits = Counter(log.read_text().splitlines())
    print(f"\n{kills} kills: " + ", ".join(f"{step} ×{n}" for step, n in sorted(hits.items())))
    assert kills == sum(hits.values())
    assert {step.split(":")[0] for step in hits} >= STEPS
