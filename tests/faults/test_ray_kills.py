"""`kesc build` in processes of this machine and on Ray: its processes killed at random moments, a worker killed, a row
that kills, interruptions."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.processes import descendants, kill_tree
from tests.faults.ground import PROFILE, committed, ingested, questions

pytestmark = [pytest.mark.faults, pytest.mark.long]
ENDS = [(os.killpg, signal.SIGINT, 130, "interrupted"), (os.kill, signal.SIGTERM, 143, "ended")]
SHARDS = 14
PATIENCE = 120  # seconds a build of these few rows may take on a busy machine


def _interruptible() -> None:
    """Where the tests run in the background of a shell, SIGINT is ignored, and children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Build:
    """`kesc build --stage ingest`, one row a shard, in a session of its own. `runner`: where its workers are."""

    def __init__(self, root: Path, inputs: Path, runner: str, slow: float = 0.1, sets: Sequence[str] = ()) -> None:
        self.root, self.log, self.said = root, root.parent / "shards.log", root.parent / "stderr.txt"
        paths = [str(Path(__file__).parent / "inject"), os.environ.get("PYTHONPATH", "")]
        self.held = Path(f"{self.log}.held")  # while it stands, no shard comes to its end
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)))
        env |= {"KESC_FAULT_LOG": str(self.log), "KESC_FAULT_SLOW": str(slow)}
        env |= {"RAY_DATA_EXECUTION_NO_PROGRESS_TIMEOUT_S": "0.2"}  # a shard may take longer than Ray Data's half hour
        command = [sys.executable, "-m", "kespeechchat", "build", str(PROFILE), "--stage", "ingest"]
        command += ["--root", str(root), "--input", str(inputs), runner]
        for setting in ("instructions.shard_size=1", *sets):
            command += ["--set", setting]
        self.log.touch()
        with open(self.said, "w") as stderr:
            self.process = subprocess.Popen(
                command,
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=_interruptible,
            )

    def ends(self) -> int:
        """Its exit code, once all its processes are gone."""
        tree = descendants(self.process.pid)
        try:
            return self.process.wait(PATIENCE)
        finally:
            kill_tree(self.process.pid)
            self._wait(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in tree))

    def until_shards(self, count: int) -> list[tuple[int, int, int]]:
        """(shard, process id, rows) of those begun, once they are so many or the build has ended."""
        self.until(lambda: len(self.begun()) >= count)
        return self.begun()

    def until(self, ready: Callable[[], bool]) -> None:
        """Waits until it is so, or the build has ended."""
        self._wait(lambda: ready() or self.process.poll() is not None)

    def workers(self) -> set[int]:
        """Process ids that shards were begun in."""
        return {pid for _, pid, _ in self.begun()}

    def kill_next(self, sent: signal.Signals) -> int:
        """Signals the worker of the next shard that begins for the first time; returns the shard."""
        known = {shard for shard, _, _ in self.begun()}
        self._wait(lambda: any(shard not in known for shard, _, _ in self.begun()))
        shard, pid = next((s, p) for s, p, _ in self.begun() if s not in known)
        os.kill(pid, sent)
        return shard

    def begun(self) -> list[tuple[int, int, int]]:
        return [tuple(map(int, line.split())) for line in self.log.read_text().splitlines()]

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


@pytest.fixture(params=["local", "ray"])
def runner(request) -> str:
    """Where the workers are."""
    return f"--address={request.param}"


@pytest.fixture
def inputs(tmp_path) -> Path:
    return questions(tmp_path / "questions.jsonl", SHARDS)


def test_the_whole_tree_killed_at_random_moments_and_the_same_command_again(tmp_path, inputs, runner):
    undisturbed = tmp_path / "a" / "undisturbed"
    undisturbed.parent.mkdir()
    assert Build(undisturbed, inputs, "--inline", slow=0).ends() == 0
    root, dice, kills = tmp_path / "killed", random.Random(2412), []
    for _ in range(4):
        build = Build(root, inputs, runner)
        before, begun = committed(root) if root.exists() else {}, len(build.begun())
        build.until_shards(begun + dice.randint(1, 4))
        time.sleep(dice.random() * 0.15)
        if build.process.poll() is None:
            kills.append((len(committed(root)), kill_tree(build.process.pid)))
            assert build.ends() == -signal.SIGKILL
        assert committed(root).items() >= before.items(), "a committed shard changed"
    before = committed(root)
    assert Build(root, inputs, runner, slow=0).ends() == 0
    print("\nkills, as (shards committed, processes killed): " + ", ".join(map(str, kills)))
    assert len(kills) >= 3
    assert committed(root).items() >= before.items(), "a committed shard changed"
    assert ingested(root) == ingested(undisturbed)
    assert not _failures(root)
    assert _kesc("clean", "--root", str(root), "--yes").returncode == 0  # a kill just behind a commit leaves its entry
    assert not _open_attempts(root)
    assert _kesc("verify", "--root", str(root)).returncode == 0


def test_faulty_rows_cost_themselves_and_killed_workers_nothing(tmp_path, runner):
    """Shards of three rows: the middle one of each of the last five is faulty; two workers are killed besides."""
    faults = {"KILLED": "killed from outside", "SEGFAULT": "Segmentation fault", "HANGS": "no answer within 2 s"}
    faults |= {"RAISES": "ZeroDivisionError", "TOO LARGE": "MemoryError"}
    bad = {3 * n + 1: word for n, word in enumerate(faults, 5)}
    inputs = tmp_path / "questions.jsonl"
    texts = (f"How high is hill number {n}? It {bad.get(n, 'is far away')}." for n in range(30))
    asked = [{"instruction": text, "output": "Higher than the next."} for text in texts]
    inputs.write_text("".join(json.dumps(row) + "\n" for row in asked))
    sets = ["instructions.shard_size=3", "resources.ingest={max_actors: 2, num_cpus: 0.1, seconds_per_row: 2}"]
    build = Build(tmp_path / "root", inputs, runner, slow=0.3, sets=sets)
    told_to_go = build.kill_next(signal.SIGTERM)
    build.kill_next(signal.SIGKILL)
    assert build.ends() == 1, build.said.read_text()

    rows = {row["line"] - 1: row for row in ingested(build.root)}
    lost = {n: row["detail"] for n, row in rows.items() if row["status"] == "failed"}
    assert {n: faults[bad[n]] in detail for n, detail in lost.items()} == dict.fromkeys(bad, True)
    assert all("died on this row 2 times" in lost[n] for n in list(bad)[:3])
    sizes = {shard: [size for begun, _, size in build.begun() if begun == shard] for shard in range(10)}
    print(f"\nrows of each try, by shard: {sizes}")
    assert set(sizes[told_to_go]) == {3}  # whoever was told to go blames nobody: no row was suspected
    assert not _failures(build.root)
    assert not _open_attempts(build.root)
    assert _kesc("verify", "--root", str(build.root)).returncode == 0

    other = tmp_path / "undisturbed"
    words = ["build", str(PROFILE), "--stage=ingest", "--inline", f"--root={other}", f"--input={inputs}"]
    assert _kesc(*words, "--set", sets[0]).returncode == 0
    assert {n: row for n, row in rows.items() if n not in bad} == {
        row["line"] - 1: row for row in ingested(other) if row["line"] - 1 not in bad
    }


def test_interrupted_builds_blame_nobody_and_go_on(tmp_path, inputs, runner):
    root, before = tmp_path / "root", {}
    for send, sent, code, says in ENDS:
        build = Build(root, inputs, runner, slow=0.3)
        build.until_shards(len(build.begun()) + 3)
        send(build.process.pid, sent)
        assert build.ends() == code, build.said.read_text()
        said = build.said.read_text()
        assert f"kesc: {says}" in said
        assert "Traceback" not in said
        assert not _failures(root)
        assert committed(root).items() >= before.items()
        before = committed(root)
        assert len(before) < SHARDS
    assert "no more shards begin" in said
    begun = {f"shard-{shard:05d}" for shard, _, _ in build.begun()}
    assert {Path(name).name.split(".")[0] for name in before} >= begun  # drained
    assert not _open_attempts(root)
    assert Build(root, inputs, runner, slow=0).ends() == 0
    assert committed(root).items() >= before.items()
    assert len(committed(root)) == SHARDS
    assert not _failures(root)
    assert not _open_attempts(root)
