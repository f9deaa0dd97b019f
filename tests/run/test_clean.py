"""Clean takes what is superseded or left over, and nothing that is current or being written."""

from __future__ import annotations

import pytest

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.config.load import load_pipeline
from kespeechchat.run.clean import clean, removable
from kespeechchat.run.plan import Plan, State
from kespeechchat.run.verify import verify
from kespeechchat.store.commit import data_key
from kespeechchat.store.journal import Journal
from kespeechchat.store.objects import open_store


@pytest.fixture
def build(tmp_path, quickstart):
    inputs = [questions(tmp_path / "questions.jsonl", 12)]
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"

    def make(*overrides: str):
        return load_pipeline(quickstart, (speech, *overrides), inputs=inputs, root=str(tmp_path / "root"))

    store = open_store(make().root)
    fill(make(), store)
    return make, store


def test_a_sound_build_has_nothing_to_clean(build):
    make, store = build
    assert list(removable(make(), store)) == []


def test_superseded_shards_go_and_the_current_stay(build):
    make, store = build
    changed = make("stages.gate.max_error.zh=0.2")
    fill(changed, store)
    removals = list(removable(changed, store))
    assert removals and {r.why for r in removals} == {"superseded"}
    assert {r.key.split("/")[0] for r in removals} == {"gate", "watermark.r1", "measure.r1", "gate.r1"}
    clean(store, removals)
    plan = Plan(changed, store)
    assert all(s.state is State.DONE for s in plan.states("gate").values())
    assert list(removable(changed, store)) == []
    assert Plan(make(), store).complete("gate") is False


def test_left_over_data_goes_unless_its_attempt_runs(build):
    make, store = build
    order = Plan(make(), store).states("gate")[0].order
    for attempt in ("a" * 16, "b" * 16):
        store.put(data_key("gate", order.key, attempt), b"half")
    Journal(store, "gate", "session", "node").open(order.key, "b" * 16)
    removals = list(removable(make(), store))
    assert [(r.why, "a" * 16 in r.key) for r in removals] == [("left over", True)]
    clean(store, removals)
    assert not [problem for problem in verify(make(), store)[1] if "sha256" in problem]


def test_a_profile_under_which_nothing_stands_removes_nothing(build):
    make, store = build
    assert list(removable(make("seed=99"), store)) == []
