"""A worker: what counts as a shard's own fault, and what is published of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.config.flow import TRAITS
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineError
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.execution.worker.worker import Worker
from kespeechchat.records import Outcome, failed, rejected
from kespeechchat.stages.base import Task
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Order
from kespeechchat.store.commit import FAILED, CommitRecord, list_commits, new_attempt, read_record, record_key
from kespeechchat.store.journal import Journal, open_attempts
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import read_table

HERE = {"session": "this-run", "node": "this-node"}


@pytest.fixture
def ground(tmp_path, quickstart):
    """A pipeline of one shard a language, and its store."""
    file = questions(tmp_path / "questions.jsonl", 4)
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 10)}}}]"
    pipeline = load_pipeline(quickstart, [speech], inputs=[file], root=str(tmp_path / "root"))
    return pipeline, open_store(pipeline.root)


def _order(pipeline, store, stage: str = "ingest", shard: int = 0) -> Order:
    return BuildState(pipeline, store).states(stage)[shard].order


def _die(store, order: Order, session: str = HERE["session"], node: str = HERE["node"]) -> None:
    """What a worker that dies in the middle leaves behind."""
    Journal(store, order.name, session, node).open(order.key, new_attempt())


def _failure(store, order: Order):
    return CommitRecord.from_json(store.get(record_key(order.name, order.key, FAILED)))


@pytest.mark.parametrize(
    ("deaths", "status"),
    [
        ([HERE] * 3, "failed"),
        ([HERE] * 2, "committed"),
        ([HERE] * 2 + [{**HERE, "session": "another-run"}] * 5, "committed"),  # its driver is gone
        ([HERE] * 2 + [{**HERE, "node": "lost-node"}] * 5, "committed"),  # its node may be gone
    ],
)
def test_only_deaths_under_this_driver_and_on_this_node_count(ground, deaths, status):
    pipeline, store = ground
    fill(pipeline, store, [])
    order = _order(pipeline, store)
    for death in deaths:
        _die(store, order, **death)
    assert Worker(pipeline, Unit.of("ingest"), **HERE).build(order).status == status
    assert open_attempts(store, "ingest") == {}
    if status == "failed":
        assert "died 3 times" in _failure(store, order).error


def test_deaths_of_another_shard_or_of_another_version_do_not_count(ground):
    pipeline, store = ground
    fill(pipeline, store, [])
    other = _order(pipeline, store, shard=1)
    earlier = replace(_order(pipeline, store), key=replace(_order(pipeline, store).key, fingerprint="0" * 12))
    for _ in range(3):
        _die(store, other)
        _die(store, earlier)
    assert Worker(pipeline, Unit.of("ingest"), **HERE).build(_order(pipeline, store)).status == "committed"


def _raises(task: Task) -> Iterable[Outcome]:
    raise ZeroDivisionError("this shard only")


@pytest.mark.parametrize(
    ("process", "says"),
    [
        (_raises, "ZeroDivisionError: this shard only"),
        (lambda task: [Outcome({"id": row["id"]}) for row in task.rows[1:]], "got 2 rows to settle and settled 1"),
        (lambda task: [Outcome({"id": row["id"]}) for row in task.rows * 2], "got 2 rows to settle and settled 4"),
    ],
)
def test_what_is_raised_or_lost_in_a_shard_is_its_failure_with_the_traceback(ground, behaves, process, says):
    pipeline, store = ground
    fill(pipeline, store, [])
    behaves("ingest", process)
    order = _order(pipeline, store)
    built = Worker(pipeline, Unit.of("ingest"), **HERE).build(order)
    assert built.status == "failed"
    assert says in built.error
    assert says in _failure(store, order).error
    assert "Traceback" in _failure(store, order).error
    assert open_attempts(store, "ingest") == {}
    assert BuildState(pipeline, store).states("ingest")[0].state is State.FAILED


def test_an_engine_that_cannot_work_blames_no_shard(ground, behaves):
    pipeline, store = ground
    fill(pipeline, store, [])

    def process(task: Task) -> Iterable[Outcome]:
        raise EngineError("no such model")

    behaves("ingest", process)
    order = _order(pipeline, store)
    assert Worker(pipeline, Unit.of("ingest"), **HERE).build(order).status == "fatal"
    assert open_attempts(store, "ingest") == {}
    assert BuildState(pipeline, store).states("ingest")[0].state is State.PENDING


def test_a_shard_that_is_committed_already_is_not_made_again(ground, behaves):
    pipeline, store = ground
    fill(pipeline, store, [])
    order = _order(pipeline, store)
    first = Worker(pipeline, Unit.of("ingest"), **HERE).build(order)
    behaves("ingest", _raises)
    assert Worker(pipeline, Unit.of("ingest"), **HERE).build(order) == first


def test_a_fused_unit_publishes_refused_speech_without_its_audio(ground, behaves):
    pipeline, store = ground
    fill(pipeline, store, [s for s in TRAITS if s not in ("synthesize", "watermark", "measure", "gate")])

    def speak(task: Task) -> Iterable[Outcome]:
        for row in task.rows:
            turns = [{"role": "user", "text": "Hi", "seconds": 1.0, "audio": b"unmarked"}]
            yield rejected({"id": row["id"], "turns": turns}, "out_of_range")

    behaves("synthesize", speak)
    behaves("watermark", lambda task: [Outcome(row) for row in task.rows])
    order = _order(pipeline, store, "watermark")
    assert order.unit == Unit.of("synthesize", "watermark")
    built = Worker(pipeline, order.unit, **HERE).build(order)
    assert (built.status, built.counts["synthesize"].rejected) == ("committed", {"out_of_range": 1})
    assert built.counts["watermark"].rows_in == 0
    record = read_record(store, "watermark", order.key)
    row = read_table(store, "watermark", record, kept_only=False).to_pylist()[0]
    assert (row["stage"], row["status"], row["turns"][0]["audio"]) == ("synthesize", "rejected", None)
    assert b"unmarked" not in store.get(record.file)


def test_a_row_that_fails_costs_itself_alone(ground, behaves):
    pipeline, store = ground
    fill(pipeline, store, [])
    behaves(
        "ingest",
        lambda task: [failed({"id": task.rows[0]["id"]}, "boom"), *(Outcome({"id": r["id"]}) for r in task.rows[1:])],
    )
    counts = Worker(pipeline, Unit.of("ingest"), **HERE).build(_order(pipeline, store)).counts["ingest"]
    assert (counts.failed, counts.kept) == (1, 1)


def _torn_data(store, record, key) -> None:
    store.put(record.file, store.get(record.file)[:-7])


def _torn_record(store, record, key) -> None:
    store.put(record_key("rewrite", key), b'{"status": ')


def _lost_data(store, record, key) -> None:
    store.delete(record.file)


@pytest.mark.parametrize("harm", [_torn_data, _torn_record, _lost_data])
def test_a_corrupt_input_is_marked_and_made_again_by_the_same_build(ground, behaves, harm):
    pipeline, store = ground
    fill(pipeline, store, ["ingest", "rewrite"])
    for stage in ("rewrite", "filter"):
        behaves(stage, lambda task: [Outcome({"id": row["id"]}) for row in task.rows])
    key = _order(pipeline, store, "rewrite").key
    harm(store, read_record(store, "rewrite", key), key)
    result = build(pipeline, Progress(quiet=True), ["rewrite", "filter"], inline=True)
    assert (result.ok, result.corrupt) == (True, 1)
    assert list_commits(store, "rewrite").committed[(0, key.fingerprint)] == 1
    build_state = BuildState(pipeline, store)
    assert build_state.complete("rewrite")
    assert build_state.complete("filter")
    assert not list_commits(store, "filter").failed


def test_a_corrupt_input_of_a_stage_built_alone_is_told(ground, behaves):
    pipeline, store = ground
    fill(pipeline, store, ["ingest", "rewrite"])
    behaves("filter", lambda task: [Outcome({"id": row["id"]}) for row in task.rows])
    key = _order(pipeline, store, "rewrite").key
    _torn_data(store, read_record(store, "rewrite", key), key)
    result = build(pipeline, Progress(quiet=True), ["filter"], inline=True)
    assert not result.ok
    assert "filter: inputs were found corrupt" in result.blocked[0]
