"""`kesc build` on Ray: its processes killed at random moments, a worker killed, a row that kills, interruptions."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.ground import PROFILE, committed, descendants, ingested, kill_tree, questions

pytestmark = pytest.mark.faults
ENDS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended")]
SHARDS = 14
PATIENCE = 120  # seconds a build of these few rows may take on a busy machine


class Build:
    """`kesc build --stage ingest` on Ray, one row a shard, in a session of its own."""

    def __init__(self, root: Path, inputs: Path, slow: float = 0.1, runner: str = "--address=local") -> None:
        self.root, self.log, self.said = root, root.parent / "shards.log", root.parent / "stderr.txt"
        paths = [str(Path(__file__).parent / "inject"), os.environ.get("PYTHONPATH", "")]
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)))
        env |= {"KESC_FAULT_LOG": str(self.log), "KESC_FAULT_SLOW": str(slow)}
        command = [sys.executable, "-m", "kespeechchat", "build", str(PROFILE), "--stage", "ingest"]
        command += ["--root", str(root), "--input", str(inputs), "--set", "instructions.shard_size=1", runner]
        self.log.touch()
        with open(self.said, "w") as stderr:
            self.process = subprocess.Popen(
                command, env=env, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
            )

    def ends(self) -> int:
        """Its exit code, once all its processes are gone."""
        tree = descendants(self.process.pid)
        try:
            return self.process.wait(PATIENCE)
        finally:
            kill_tree(self.process.pid)
            self._wait(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in tree))

    def until_shards(self, count: int) -> list[tuple[int, int]]:
        """(shard, process id) of those begun, once they are so many or the build has ended."""
        self._wait(lambda: len(self.begun()) >= count or self.process.poll() is not None)
        return self.begun()

    def begun(self) -> list[tuple[int, int]]:
        lines = (line.split() for line in self.log.read_text().splitlines())
        return [(int(shard), int(pid)) for shard, pid in lines]

    def _wait(self, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < end, f"nothing happened for {PATIENCE} s; it said: {self.said.read_text()}"
            time.sleep(0.01)


def _kesc(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "kespeechchat", *words], capture_output=True, text=True)


def _failures(root: Path) -> list[dict]:
    return [json.loads(p.read_text()) for p in (root / "ingest" / "commits").glob("*.failed.json")]


def _open_attempts(root: Path) -> list[str]:
    return [path.name for path in (root / "ingest" / "attempts").glob("shard-*.json")]


@pytest.fixture
def inputs(tmp_path) -> Path:
    return questions(tmp_path / "questions.jsonl", SHARDS)


def test_the_whole_tree_killed_at_random_moments_and_the_same_command_again(tmp_path, inputs):
    undisturbed = tmp_path / "a" / "undisturbed"
    undisturbed.parent.mkdir()
    assert Build(undisturbed, inputs, slow=0, runner="--inline").ends() == 0
    root, dice, kills = tmp_path / "killed", random.Random(2412), []
    for _ in range(4):
        build = Build(root, inputs)
        before, begun = committed(root) if root.exists() else {}, len(build.begun())
        build.until_shards(begun + dice.randint(1, 4))
        time.sleep(dice.random() * 0.15)
        if build.process.poll() is None:
            kills.append((len(committed(root)), kill_tree(build.process.pid)))
            assert build.ends() == -signal.SIGKILL
        assert committed(root).items() >= before.items(), "a committed shard changed"
    before = committed(root)
    assert Build(root, inputs, slow=0).ends() == 0
    print("\nkills, as (shards committed, processes killed): " + ", ".join(map(str, kills)))
    assert len(kills) >= 3
    assert committed(root).items() >= before.items(), "a committed shard changed"
    assert ingested(root) == ingested(undisturbed)
    assert not _failures(root)
    assert not _open_attempts(root)
    assert _kesc("verify", "--root", str(root)).returncode == 0


def test_a_killed_worker_is_replaced_and_a_row_that_kills_costs_itself_alone(tmp_path, inputs):
    with open(inputs, "a") as file:
        file.write('{"instruction": "What is POISON for a worker?"}\n')
    root = tmp_path / "root"
    build = Build(root, inputs)
    os.kill(build.until_shards(3)[2][1], signal.SIGKILL)
    assert build.ends() == 1
    tries = Counter(shard for shard, _ in build.begun())
    print("\nshards begun more than once: " + ", ".join(f"{s} ×{n}" for s, n in sorted(tries.items()) if n > 1))
    assert not _failures(root)
    assert tries[SHARDS] == 3  # once as a shard, twice as the only row under way
    assert len(committed(root)) == SHARDS + 1
    assert [row["status"] for row in ingested(root)].count("failed") == 1
    told = _kesc("errors", "--root", str(root))
    assert told.returncode == 1
    assert f"ingest shard {SHARDS:05d}: " in told.stdout
    assert "its worker died on this row 2 times" in told.stdout
    assert _kesc("verify", "--root", str(root)).returncode == 0


def test_interrupted_builds_blame_nobody_and_go_on(tmp_path, inputs):
    root, before = tmp_path / "root", {}
    for sent, code, says in ENDS:
        build = Build(root, inputs, slow=0.3)
        build.until_shards(len(build.begun()) + 3)
        os.killpg(build.process.pid, sent)
        assert build.ends() == code, build.said.read_text()
        said = build.said.read_text()
        assert f"kesc: {says}" in said
        assert "Traceback" not in said
        assert not _failures(root)
        assert committed(root).items() >= before.items()
        before = committed(root)
        assert len(before) < SHARDS
    assert Build(root, inputs, slow=0).ends() == 0
    assert committed(root).items() >= before.items()
    assert len(committed(root)) == SHARDS
    assert not _failures(root)
    assert not _open_attempts(root)
