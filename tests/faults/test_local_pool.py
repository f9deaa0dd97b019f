"""Workers forked from a nursery: what ends with what, and what is said where none can begin."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.processes import descendants
from benchmarks.recorded import fill, questions, recipe
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineError
from kespeechchat.execution import local_pool
from kespeechchat.execution.local_pool import LocalPool, Nursery, fits
from kespeechchat.execution.worker.nursery import READY, Birth
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.orders import Built
from kespeechchat.state.saved_profile import save_profile
from kespeechchat.store.opening import open_store
from tests.faults.ground import PROFILE

pytestmark = pytest.mark.faults
INGEST = Unit.of("ingest")


@pytest.fixture
def pipeline(tmp_path) -> Pipeline:
    """Six planned shards of one row."""
    file = questions(tmp_path / "questions.jsonl", 6)
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 10)}}}]"
    made = load_pipeline(PROFILE, [speech, "instructions.shard_size=1"], inputs=[file], root=str(tmp_path / "root"))
    fill(made, open_store(made.root), [])
    return made


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    made = Nursery(1)
    yield made
    made.close()


def birth(pipeline: Pipeline, **more) -> Birth:
    profile = save_profile(pipeline)
    return Birth(**{"root": pipeline.root, "profile": profile, "unit": INGEST, "session": "s", "threads": 1, **more})


def chains(pipeline: Pipeline) -> list[list]:
    return [[one.order] for one in BuildState(pipeline, open_store(pipeline.root)).states("ingest").values()]


def until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_all_shards_are_built_once_and_no_process_is_left(pipeline):
    pool, built = LocalPool("s"), list[Built]()
    try:
        pool.run(pipeline, [INGEST], chains(pipeline), built.append, lambda: frozenset())
    finally:
        pool.close()
    assert sorted(one.shard for one in built) == list(range(6))
    assert {one.status for one in built} == {"committed"}
    until(lambda: not descendants(os.getpid()))


def test_workers_outlive_a_nursery_that_was_killed_and_another_one_takes_its_place(pipeline, nursery):
    first = nursery.worker(birth(pipeline))
    assert first.recv() == READY
    os.kill(nursery._process.pid, signal.SIGKILL)
    second = nursery.worker(birth(pipeline))
    assert second.recv() == READY
    for n, connection in enumerate((first, second)):
        connection.send(chains(pipeline)[n][0])
        assert connection.recv().shard == n


def test_a_worker_ends_with_its_connection_in_the_middle_of_its_work(pipeline, nursery, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent / "inject"), *sys.path]))
    monkeypatch.setenv("KESC_FAULT_LOG", str(tmp_path / "begun.log"))
    monkeypatch.setenv("KESC_FAULT_SLOW", "600")
    connection = nursery.worker(birth(pipeline))
    connection.send(chains(pipeline)[0][0])
    until((tmp_path / "begun.log").exists)
    pid = int((tmp_path / "begun.log").read_text().split()[1])
    connection.close()
    until(lambda: not Path(f"/proc/{pid}/exe").exists())


def test_a_worker_that_cannot_begin_says_why(pipeline, nursery, monkeypatch):
    connection = nursery.worker(birth(pipeline, profile="0" * 16))
    assert "FileNotFoundError" in connection.recv()
    with pytest.raises(EOFError):
        connection.recv()
    monkeypatch.setattr(local_pool, "save_profile", lambda of: "0" * 16)
    with pytest.raises(EngineError, match="ingest: its worker cannot begin: FileNotFoundError"):
        LocalPool("s").run(pipeline, [INGEST], chains(pipeline), lambda built: None, lambda: frozenset())


def test_a_nursery_that_cannot_begin_says_why(pipeline, nursery, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EngineError, match="ingest: no worker can begin"):
        nursery.worker(birth(pipeline))


def test_what_wants_a_gpu_or_an_environment_is_rays(quickstart):
    made = load_pipeline(quickstart, ["resources.ingest={num_gpus: 0.5}"])
    assert not fits(made, [INGEST]) and fits(made, [Unit.of("filter")])
    assert not fits(load_pipeline(quickstart, ["resources.ingest={resources: {disk: 1}}"]), [INGEST])
    assert not fits(load_pipeline(quickstart, ["resources.ingest={runtime_env: {env_vars: {A: b}}}"]), [INGEST])
