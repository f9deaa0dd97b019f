"""Rows that raise, kill or hang: each worker here is a forked process that really dies, and is started again."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from threading import Barrier, current_thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kespeechchat.commands.errors import errors
from kespeechchat.engines import EngineDead
from kespeechchat.execution.worker import blame
from kespeechchat.execution.worker.shard_maker import Inputs, MadeRows, ShardMaker
from kespeechchat.records import Outcome
from kespeechchat.stages.base import Task
from kespeechchat.stages.flow import STAGE_CLASSES
from kespeechchat.state.build_state import BuildState
from kespeechchat.store.commit import list_commits, read_record
from kespeechchat.store.journal import Attempt, open_attempts
from tests.execution.worker.scene import IDS, ROWS, Scene

pytestmark = pytest.mark.faults
AUDIO = ("synthesize", "watermark", "measure", "gate")


@pytest.fixture
def acts(monkeypatch) -> Callable[..., None]:
    """Gives a stage another `process`, which settles every row as kept after `act(id)`, and no engines."""

    def change(name: str, act: Callable[[str], object], **columns) -> None:
        def process(self, task: Task) -> Iterable[Outcome]:
            out = [Outcome({"id": id_, **columns}) for row in task.rows for id_ in self.ids(row)]
            for row in task.rows:
                act(row["id"])
            return out

        body = {"process": process, "setup": lambda self: None}
        monkeypatch.setitem(STAGE_CLASSES, name, type(f"Test{name}", (STAGE_CLASSES[name],), body))

    return change


def _dies_on(*deadly: str, how: Callable[[], object] = lambda: os.kill(os.getpid(), signal.SIGKILL)):
    return lambda id_: how() if id_ in deadly else None


def _raises_on(*bad: str, error: type[BaseException] = ZeroDivisionError):
    def act(id_: str) -> None:
        if id_ in bad:
            raise error(f"not {id_}")

    return act


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deadly=st.sets(st.sampled_from(IDS), max_size=3))
def test_the_rows_that_kill_are_lost_and_no_others(tmp_path, quickstart, acts, monkeypatch, deadly):
    monkeypatch.setattr(blame, "DEADLY_SHARE", 1.0)
    acts("rewrite", _dies_on(*deadly))
    scene = Scene(tmp_path, quickstart, "rewrite")
    scene.start_again()
    assert scene.build() == "committed"
    assert set(scene.rows("failed")) == deadly
    assert set(scene.rows("kept")) == set(IDS) - deadly
    assert scene.deaths <= bool(deadly) + 3 * len(deadly)
    assert open_attempts(scene.store, "rewrite") == {}
    assert list(scene.rows("kept")) == [id_ for id_ in IDS if id_ not in deadly]  # in their order


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed from outside (for memory?)"),
        (lambda: ctypes.string_at(0), "Segmentation fault"),
        (lambda: os.abort(), "Aborted"),
        (lambda: time.sleep(60), "rewrite gave no answer within 0.2 s for 1 row"),
        (lambda: sys.exit(3), "killed from outside"),
        (lambda: _dead_engine(), "the engine's core is gone"),
    ],
)
def test_the_failed_row_says_how_its_worker_ended(tmp_path, quickstart, acts, how, says):
    acts("rewrite", _dies_on(IDS[5], how=how))
    scene = Scene(tmp_path, quickstart, "rewrite", "resources.rewrite.seconds_per_row=0.2")
    assert scene.build() == "committed"
    assert list(scene.rows("failed")) == [IDS[5]]
    detail = scene.rows("failed")[IDS[5]]["detail"]
    assert detail.startswith("its worker died on this row 2 times, with nothing else under way: ")
    assert says in detail


def _dead_engine() -> None:
    raise EngineDead("the engine's core is gone")


def test_each_variant_of_a_deadly_row_is_accounted_for(tmp_path, quickstart, acts):
    acts("rewrite", _dies_on(IDS[0]))
    scene = Scene(tmp_path, quickstart, "rewrite", "stages.rewrite.variants=2")
    assert scene.build() == "committed"
    assert {id_: row["parent"] for id_, row in scene.rows("failed").items()} == dict.fromkeys(
        (f"{IDS[0]}-v0", f"{IDS[0]}-v1"), IDS[0]
    )
    counts = read_record(scene.store, "rewrite", scene.order.key).counts["rewrite"]
    assert (counts.rows_in, counts.fan_out, counts.kept, counts.failed) == (ROWS, 2, 2 * ROWS - 2, 2)


@pytest.mark.parametrize("act", [_dies_on(IDS[3]), _raises_on(IDS[3])])
def test_a_row_that_fails_in_the_second_of_fused_stages_leaves_no_unmarked_speech(tmp_path, quickstart, acts, act):
    turns = [{"role": "user", "text": "Hi", "seconds": 1.0, "audio": b"unmarked"}]
    acts("synthesize", lambda id_: None, turns=turns)
    acts("watermark", act, turns=[{**turns[0], "audio": b"marked"}])
    scene = Scene(tmp_path, quickstart, "watermark")
    assert scene.build() == "committed"
    record = read_record(scene.store, "watermark", scene.order.key)
    assert b"unmarked" not in scene.store.get(record.file)
    assert list(scene.rows("failed")) == [IDS[3]]
    assert len(scene.rows("kept")) == ROWS - 1
    sums = [(c.rows_in, c.kept + c.failed) for c in record.counts.values()]
    assert sums == ([(ROWS, ROWS), (ROWS, ROWS)] if not scene.deaths else [(ROWS, ROWS), (ROWS - 1, ROWS - 1)])


@pytest.mark.parametrize("error", [ZeroDivisionError, MemoryError, RuntimeError])
def test_a_row_that_raises_costs_itself_alone_and_keeps_its_traceback(tmp_path, quickstart, acts, error):
    acts("rewrite", _raises_on(IDS[2], IDS[9], error=error))
    scene = Scene(tmp_path, quickstart, "rewrite")
    assert (scene.build(), scene.deaths) == ("committed", 0)
    assert list(scene.rows("failed")) == [IDS[2], IDS[9]]
    told = [line for line in errors(scene.pipeline, scene.store) if IDS[9] in line]
    assert f"{error.__name__}: not {IDS[9]}" in told[0]
    assert "Traceback" in told[0]


def test_a_batch_that_is_too_large_loses_nothing(tmp_path, quickstart, monkeypatch, acts):
    acts("rewrite", lambda id_: None)
    whole = STAGE_CLASSES["rewrite"].process

    def process(self, task: Task) -> Iterable[Outcome]:
        if len(task.rows) > 4:
            raise MemoryError
        return whole(self, task)

    monkeypatch.setattr(STAGE_CLASSES["rewrite"], "process", process)
    scene = Scene(tmp_path, quickstart, "rewrite")
    assert scene.build() == "committed"
    assert list(scene.rows("kept")) == IDS
    assert scene._record().isolated.startswith("MemoryError")  # nothing is lost, and yet it is told: it costs time


def test_rows_that_mostly_raise_are_a_broken_engine_and_fail_the_shard(tmp_path, quickstart, acts):
    acts("rewrite", _raises_on(*IDS[3:]))
    scene = Scene(tmp_path, quickstart, "rewrite")
    assert scene.build() == "failed"
    assert f"ZeroDivisionError: not {IDS[11]} (9 of its 12 rows)" in scene.failure
    assert "Traceback" in scene.failure
    assert not list_commits(scene.store, "rewrite").committed


@pytest.mark.parametrize(
    ("stage", "deadly", "says"),
    [
        ("rewrite", IDS[:2], "2 of its 12 rows killed their worker"),  # more than a tenth
        ("blend", IDS[:1], "its worker died 3 times while it ran alone"),  # a reduce stage has no rows to lose
    ],
)
def test_what_kills_beyond_measure_is_given_up(tmp_path, quickstart, acts, stage, deadly, says):
    acts(stage, _dies_on(*deadly))
    scene = Scene(tmp_path, quickstart, stage)
    assert scene.build() == "failed"
    assert says in scene.failure
    assert open_attempts(scene.store, stage) == {}


def test_a_death_by_chance_loses_nothing(tmp_path, quickstart, acts):
    mark = tmp_path / "killed"

    def once(id_: str) -> None:
        if id_ == IDS[4] and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    acts("rewrite", once)
    scene = Scene(tmp_path, quickstart, "rewrite")
    assert (scene.build(), scene.deaths, len(scene.rows("kept"))) == ("committed", 1, ROWS)
    assert scene._record().isolated == "1 of its workers died"


def test_shards_in_flight_together_and_each_by_itself_after_a_death(tmp_path, quickstart, acts, monkeypatch):
    """Two threads build two shards in one worker; a row of the first kills it once the other shard is begun too."""
    log, both_begun = tmp_path / "log", Barrier(2)

    def act(id_: str) -> None:
        if id_ == IDS[5] and current_thread().name == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)

    acts("rewrite", act)
    real = STAGE_CLASSES["rewrite"].process

    def process(self, task: Task) -> Iterable[Outcome]:
        with open(log, "a") as file:
            print(os.getpid(), task.shard, "begins", file=file, flush=True)
            if len({line.split()[0] for line in log.read_text().splitlines()}) == 1:
                both_begun.wait(60)
            out = real(self, task)
            print(os.getpid(), task.shard, "ends", file=file, flush=True)
            return out

    monkeypatch.setattr(STAGE_CLASSES["rewrite"], "process", process)
    server = "{use: openai, url: 'http://127.0.0.1:9/v1', model: m}"
    scene = Scene(
        tmp_path, quickstart, "rewrite", f"engines.llm.gemma={server}", "resources.rewrite.shards_in_flight=2"
    )
    other = BuildState(scene.pipeline, scene.store).states("rewrite")[1].order
    scene.orders = {"deadly": scene.order, "other": other}
    assert scene.build() == "committed"
    assert list(scene.rows("failed")) == [IDS[5]]
    assert read_record(scene.store, "rewrite", other.key).counts["rewrite"].kept == ROWS
    assert scene.deaths == 5  # the shared one blames nobody; then the shard, its group, and twice the row
    by_worker: dict[str, list[tuple[str, str]]] = {}
    for line in log.read_text().splitlines():
        worker, shard, what = line.split()
        by_worker.setdefault(worker, []).append((shard, what))
    first, *later = by_worker.values()
    assert sorted(shard for shard, what in first if what == "begins") == ["0", "1"]
    for events in later:
        shards = [shard for shard, _ in events]
        assert [what for _, what in events] == (["begins", "ends"] * len(events))[: len(events)]
        assert all(shards[n] == shards[n + 1] for n in range(0, len(events) - 1, 2))


@pytest.mark.parametrize("stage", ["filter", "synthesize"])
def test_a_shard_without_rows_whose_worker_died_has_counts_for_each_stage(tmp_path, quickstart, stage):
    """Found by benchmarks/chaos.py: its record counted nothing, and verify took that for lost rows."""
    scene = Scene(tmp_path, quickstart, stage)
    unit = scene.pipeline.unit_of(stage)
    made = blame.Isolation(
        make=lambda rows, single: ShardMaker(scene.pipeline, unit, scene.store).make(scene.order, Inputs([], {}), rows),
        note=lambda ids: None,
        fail=lambda row, error: MadeRows(),
    ).run([], blame.Deaths(without_row=1, total=1))
    assert list(made.counts) == list(unit)
    assert made.settled == []


def _attempt(*rows: str, alone: bool = True, ended: str | None = None) -> Attempt:
    return Attempt("a" * 16, 0, "f" * 12, 0, "run", "here", alone, rows=rows, ended=ended)


def test_only_lone_deaths_count_against_a_row():
    shared = [_attempt(*IDS[:2], alone=False)] * 5
    lone = [_attempt(), _attempt(*IDS[:3]), _attempt(IDS[1]), _attempt(IDS[1], ended="no answer")]
    deaths = blame.Deaths.of([*shared, *lone])
    assert (deaths.without_row, deaths.total, deaths.by_row) == (1, 4, Counter({IDS[1]: 2}))
    assert deaths.suspects == set(IDS[:3])
    assert deaths.error_of(IDS[0]) is None
    assert deaths.error_of(IDS[1]).endswith("no answer")


@given(st.integers(1, 400), st.data())
def test_groups_hold_each_row_once_and_suspects_by_themselves(count, data):
    ids = [str(n) for n in range(count)]
    suspects = data.draw(st.sets(st.sampled_from(ids), max_size=5))
    settled = data.draw(st.sets(st.sampled_from(ids), max_size=5)) - suspects
    rows = [{"id": i} for i in ids]
    made = [[row["id"] for row in group] for group in blame.groups(rows, frozenset(suspects), settled)]
    assert sorted(i for group in made for i in group) == sorted(set(ids) - settled)
    assert all(group == [row] for group, row in zip(made, sorted(suspects, key=int), strict=False))
    assert all(len(group) ** 2 <= count for group in made)
