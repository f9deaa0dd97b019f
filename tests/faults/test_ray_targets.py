"""Runners where a language is closed while they run: no more of its shards begin, what is at work ends."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.units import Unit
from kespeechchat.execution.local_pool import LocalPool
from kespeechchat.execution.ray_cluster import Cluster
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.orders import Built
from kespeechchat.store.opening import open_store
from tests.faults.ground import PROFILE

pytestmark = pytest.mark.faults
SHARDS = 10  # of each language


@pytest.mark.parametrize("runner", [LocalPool, partial(Cluster, "local")], ids=["local", "ray"])
def test_a_closed_language_begins_no_more_shards_and_the_others_go_on(runner, tmp_path, monkeypatch):
    file = questions(tmp_path / "questions.jsonl", 2 * SHARDS)
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 10)}}}]"
    pipeline = load_pipeline(PROFILE, [speech, "instructions.shard_size=1"], inputs=[file], root=str(tmp_path / "root"))
    store, log = open_store(pipeline.root), tmp_path / "begun.log"
    fill(pipeline, store, [])
    paths = [str(Path(__file__).parent / "inject"), os.environ.get("PYTHONPATH", ""), str(PROFILE.parent.parent)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("KESC_FAULT_LOG", str(log))
    monkeypatch.setenv("KESC_FAULT_SLOW", "0.5")
    chains = [[state.order] for state in BuildState(pipeline, store).states("ingest").values()]
    built: list[Built] = []

    def closed() -> frozenset[tuple[str, str | None]]:
        return frozenset({("ingest", "zh")} if any(b.language == "zh" for b in built) else set())

    running = runner("session")
    try:
        running.run(pipeline, [Unit.of("ingest")], chains, built.append, closed)
    finally:
        running.close()
    languages = [b.language for b in built]
    assert languages.count("en") == SHARDS
    assert 1 <= languages.count("zh") < SHARDS
    assert {b.status for b in built} == {"committed"}
    assert len(log.read_text().splitlines()) == len(built)  # none was begun and dropped
