"""kill -9 at every boundary of the commit protocol, through `kesc build` with a real stage.

After each kill the same command goes on, and what stands in the end is what an undisturbed build holds; what was
committed before the kill keeps its bytes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

HERE = Path(__file__).parent
PROFILE = HERE.parent.parent / "pipelines" / "quickstart.yaml"
STEPS = {"plan", "attempts", "data", "commits"}


def _build(root: Path, inputs: Path, kill_at: int = -1, log: Path | None = None) -> int:
    """Exit code of `kesc build --stage ingest`; -9 where the injected kill met it."""
    env = dict(os.environ, PYTHONPATH=str(HERE / "inject"))
    if log:
        env |= {"KESC_KILL_AT": str(kill_at), "KESC_KILL_ROOT": str(root), "KESC_KILL_LOG": str(log)}
    command = [sys.executable, "-m", "kespeechchat", "build", str(PROFILE), "--inline", "--stage", "ingest"]
    command += ["--root", str(root), "--input", str(inputs), "--set", "instructions.shard_size=2"]
    return subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def _committed(root: Path) -> dict[str, bytes]:
    """Every committed shard's data, by the name of its record."""
    records = sorted((root / "ingest" / "commits").glob("*.json"))
    return {r.name: (root / json.loads(r.read_text())["file"]).read_bytes() for r in records}


def _rows(root: Path) -> list[dict]:
    tables = [pq.read_table(pa.BufferReader(data)) for data in _committed(root).values()]
    return sorted(pa.concat_tables(tables).to_pylist(), key=lambda row: row["id"])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("inputs") / "questions.jsonl"
    rows = [{"instruction": f"How high is hill number {n}?"} for n in range(3)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.mark.faults
def test_a_kill_at_any_boundary_loses_and_doubles_nothing(tmp_path, inputs):
    assert _build(tmp_path / "undisturbed", inputs) == 0
    wanted = _rows(tmp_path / "undisturbed")
    log = tmp_path / "kills.log"
    kills = 0
    while True:
        root = tmp_path / f"killed-{kills:03d}"
        code = _build(root, inputs, kills, log)
        if code != -signal.SIGKILL:
            assert code == 0
            break
        before = _committed(root)
        assert _build(root, inputs) == 0, f"the build after kill {kills} failed"
        after = _committed(root)
        assert _rows(root) == wanted, f"other rows after kill {kills}"
        assert {name: after[name] for name in before} == before, f"a committed shard changed after kill {kills}"
        kills += 1
    hits = Counter(log.read_text().splitlines())
    print(f"\n{kills} kills: " + ", ".join(f"{step} ×{n}" for step, n in sorted(hits.items())))
    assert kills == sum(hits.values())
    assert {step.split(":")[0] for step in hits} >= STEPS
