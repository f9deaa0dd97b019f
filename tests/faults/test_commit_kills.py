"""kill -9 at every boundary of the commit protocol, through `kesc build` with a real stage, on a folder and on S3.

After each kill the same command goes on, and what stands in the end is what an undisturbed build holds; what was
committed before the kill keeps its bytes.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.sameness import changed, committed
from tests.faults.ground import PROFILE, ingested, questions

pytestmark = [pytest.mark.faults, pytest.mark.long]
STEPS = {"plan", "attempts", "data", "commits"}
S3_STEPS = ("/plan/instructions/", "/ingest/attempts/", "/ingest/data/", "/ingest/commits/")


def _words(root: str, inputs: Path, shard_size: int) -> list[str]:
    words = ["build", str(PROFILE), "--inline", "--stage", "ingest", "--root", root]
    return [*words, "--input", str(inputs), "--set", f"instructions.shard_size={shard_size}"]


def _kills(
    undisturbed: str, root_of: Callable[[int], str], build: Callable[[str], int], killed: Callable[[str, int], int]
) -> int:
    """Builds and kills at boundary 0, 1, 2, … of a fresh ROOT each, until a build reaches none; how many kills."""
    assert build(undisturbed) == 0
    wanted, kills = ingested(undisturbed), 0
    while (code := killed(root := root_of(kills), kills)) == -signal.SIGKILL:
        before = committed(root)
        assert build(root) == 0, f"the build after kill {kills} failed"
        assert not changed(before, committed(root)), f"a committed shard changed after kill {kills}"
        assert ingested(root) == wanted, f"other rows after kill {kills}"
        kills += 1
    assert code == 0
    return kills


def test_a_kill_at_any_boundary_of_a_folder_loses_and_doubles_nothing(tmp_path, kesc):
    inputs, log = questions(tmp_path / "questions.jsonl", 3), tmp_path / "kills.log"
    kills = _kills(
        f"{tmp_path}/undisturbed",
        lambda n: f"{tmp_path}/killed-{n:03d}",
        lambda root: kesc(_words(root, inputs, 2)),
        lambda root, n: kesc(_words(root, inputs, 2), root, kill_at=n, log=log),
    )
    hits = Counter(log.read_text().splitlines())
    print(f"\n{kills} kills: " + ", ".join(f"{step} ×{n}" for step, n in sorted(hits.items())))
    assert kills == sum(hits.values())
    assert {step.split(":")[0] for step in hits} >= STEPS


def test_a_kill_at_any_boundary_of_a_put_to_s3_loses_and_doubles_nothing(tmp_path, kesc, s3_root, proxy):
    """Before the server has any of it, when it has half of it, and when it has all but its answer finds nobody."""
    inputs = questions(tmp_path / "questions.jsonl", 2)
    reached: list[str] = []

    def build(root: str) -> int:
        proxy.kill_at(None)
        return kesc(_words(root, inputs, 2))

    def killed(root: str, at: int) -> int:
        pids: list[int] = []
        proxy.kill_at(at, lambda: pids[0], lambda request: any(step in request.path for step in S3_STEPS))
        code = kesc(_words(root, inputs, 2), begun=pids.append)
        reached.extend(proxy.boundaries[at : at + 1])
        return code

    kills = _kills(f"{s3_root}/undisturbed", lambda n: f"{s3_root}/killed-{n:03d}", build, killed)
    print(f"\n{kills} kills")
    assert kills == len(reached)
    for step in S3_STEPS:
        for when in ("before", "half of", "after"):
            assert any(b.startswith(f"{when} PUT") and step in b for b in reached), (when, step)
