"""Clean takes what is superseded or left over, and nothing that is current or being written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.recorded import fill, one_row, questions, recipe
from kespeechchat.commands.clean import clean, removable
from kespeechchat.commands.status import status
from kespeechchat.commands.verify import verify
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.store.commit import data_key, read_record, record_key
from kespeechchat.store.journal import Journal, entry_key
from kespeechchat.store.opening import open_store
from kespeechchat.store.parquet import parquet_table

pytestmark = pytest.mark.slow


@pytest.fixture
def build(tmp_path, quickstart):
    inputs = [questions(tmp_path / "questions.jsonl", 12)]
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"

    def make(*overrides: str):
        return load_pipeline(
            quickstart, (speech, "rounds=[voice]", *overrides), inputs=inputs, root=str(tmp_path / "root")
        )

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
    build_state = BuildState(changed, store)
    assert all(s.state is State.DONE for s in build_state.states("gate").values())
    assert list(removable(changed, store)) == []
    assert BuildState(make(), store).complete("gate") is False


def test_a_screening_under_other_settings_goes_and_the_planned_rows_stay(build):
    make, store = build
    first = {key for key, _ in store.list("plan/screened")}
    planned = {key for key, _ in store.list("plan/instructions")}
    changed = make("instructions.near_duplicates={threshold: 0.6}")
    fill(changed, store)
    removals = [r for r in removable(changed, store) if r.key.startswith("plan/")]
    assert first and {r.key for r in removals} == first
    clean(store, removals)
    assert {key for key, _ in store.list("plan/instructions")} == planned
    assert not [r for r in removable(changed, store) if r.key.startswith("plan/")]
    assert all(s.state is State.DONE for s in BuildState(changed, store).states("ingest").values())


def test_left_over_data_goes_unless_its_attempt_runs(build):
    make, store = build
    order = BuildState(make(), store).states("gate")[0].order
    for attempt in ("a" * 16, "b" * 16):
        store.put(data_key("gate", order.key, attempt), b"half")
    Journal(store, "gate", "session", "node").open(order.key, "b" * 16)
    removals = list(removable(make(), store))
    assert [(r.why, "a" * 16 in r.key) for r in removals] == [("left over", True)]
    clean(store, removals)
    assert not [problem for problem in verify(make(), store)[1] if "sha256" in problem]


def test_the_entry_of_an_attempt_killed_behind_its_commit_goes_and_nobody_elses(build):
    make, store = build
    order = BuildState(make(), store).states("gate")[0].order
    own = read_record(store, "gate", order.key).file.split(".")[-2]
    for attempt in (own, "b" * 16):
        Journal(store, "gate", "run", "here").open(order.key, attempt)
    removals = list(removable(make(), store))
    assert [(r.key, r.why) for r in removals] == [(entry_key("gate", order.key, own), "left over")]
    clean(store, removals)
    assert {key for key, _ in store.list("gate/attempts")} == {entry_key("gate", order.key, "b" * 16)}


def test_what_a_killed_writer_left_goes_when_nobody_can_be_writing_it_any_more(build, monkeypatch):
    make, store = build
    monkeypatch.setattr(os, "link", _killed)
    keys = [f"gate/data/shard-0000{n}.0123456789ab.g0.{'c' * 16}.parquet" for n in (0, 1)]
    for key in keys:
        monkeypatch.setattr(os, "unlink", lambda path: None)  # SIGKILL leaves no time for it
        with pytest.raises(KeyboardInterrupt):
            store.create(key, b"half")
    monkeypatch.undo()
    old, young = sorted(Path(store.url).rglob("*.tmp"))
    os.utime(old, (0, 0))
    (old.parent / ".mine.tmp").touch()
    os.utime(old.parent / ".mine.tmp", (0, 0))
    removals = list(removable(make(), store))
    assert [(r.why, r.size, Path(store.url) / r.key) for r in removals] == [("half written", 4, old)]
    clean(store, removals)
    assert not old.exists() and young.exists()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_profile_under_which_nothing_stands_removes_nothing(build):
    make, store = build
    assert list(removable(make("seed=99"), store)) == []


UNFUSED = (
    "phases=[{name: text, stages: [ingest, rewrite, filter, spoken]}, "
    "{name: voices, stages: [corpus, clips, speakers, blend, audition, voices]}, "
    "{name: audio, stages: [synthesize, watermark, measure, gate]}]"
)
OTHER_MARK = "stages.watermark.payload=ab"


def _spoken(order):
    rows = one_row(order)
    if order.name in ("synthesize", "watermark"):
        tokens = {"ids": [1, 2], "rate": 50.0, "size": 8, "tokenizer": "t"}
        turn = {"role": "user", "text": "Hi", "seconds": 1.0, "speech_tokens": tokens}
        rows = [{**row, "turns": [{**turn, "audio": order.name.encode() * 100}]} for row in rows]
    return rows


@pytest.fixture
def unfused(build):
    """A build whose unmarked speech is in ROOT; (pipeline with overrides, store)."""
    make, store = build
    fill(make(UNFUSED), store, rows=_spoken)
    clean(store, list(removable(make(UNFUSED), store)))  # of the fused build
    return (lambda *overrides: make(UNFUSED, *overrides)), store


def _turns(store, unit):
    tables = (parquet_table(store.get(key)) for key, _ in store.list(f"{unit}/data"))
    return [turn for table in tables for turns in table["turns"].to_pylist() for turn in turns]


def _sound(pipeline, store):
    build_state = BuildState(pipeline, store)
    return all(build_state.complete(unit.name) for unit in pipeline.units)


def test_replaced_audio_goes_on_request_and_its_shards_stay_done_and_verified(unfused):
    make, store = unfused
    before = status(make(), store), verify(make(), store)
    assert all(turn["speech_tokens"]["ids"] == [1, 2] for turn in _turns(store, "synthesize"))
    assert list(removable(make(), store)) == []
    removals = list(removable(make(), store, replaced_audio=True))
    spoken = [stage for stage in make().flow if split_round(stage)[0] == "synthesize"]
    assert {(r.why, r.key.split("/")[0]) for r in removals} == {("replaced audio", stage) for stage in spoken}
    assert len(removals) == sum(len(BuildState(make(), store).states(stage)) for stage in spoken) > 1
    clean(store, removals)
    assert _sound(make(), store)
    assert (status(make(), store), verify(make(), store)) == before
    assert list(removable(make(), store, replaced_audio=True)) == []
    assert {turn["audio"] for turn in _turns(store, "synthesize")} == {None}
    assert all(turn["speech_tokens"] is None for turn in _turns(store, "synthesize"))  # unmarked speech is made of them
    assert {turn["audio"] for turn in _turns(store, "watermark")} == {b"watermark" * 100}
    assert {turn["text"] for turn in _turns(store, "synthesize")} == {"Hi"}


def test_what_is_left_of_a_cleaned_shard_is_held_to_its_checksum(unfused):
    make, store = unfused
    clean(store, list(removable(make(), store, replaced_audio=True)))
    key, _ = next(store.list("synthesize/data"))
    store.put(key, store.get(key)[:-5])
    assert [p for p in verify(make(), store)[1] if key in p and "sha256" in p]


@pytest.mark.parametrize("first", ["synthesize", "watermark", "gate"])
def test_speech_that_is_needed_again_is_made_again(unfused, first):
    make, store = unfused
    clean(store, list(removable(make(), store, replaced_audio=True)))
    changed = make(OTHER_MARK)
    build_state = BuildState(changed, store)
    build_state.states(first)  # whichever is asked for first
    assert {s.state for s in build_state.states("synthesize").values()} == {State.STALE}
    assert {s.order.key.generation for s in build_state.states("synthesize").values()} == {1}
    assert {s.order.inputs[0].keys[0].generation for s in build_state.states("watermark").values()} == {1}
    fill(changed, store, rows=_spoken)
    assert _sound(changed, store)
    assert not [p for p in verify(changed, store)[1] if "sha256" in p or "missing" in p]
    assert len(list(removable(changed, store, replaced_audio=True))) > 0


def test_speech_whose_marked_copy_is_not_there_yet_stays(unfused):
    make, store = unfused
    order = BuildState(make(), store).states("watermark")[0].order
    store.delete(record_key("watermark", order.key))
    clean(store, list(removable(make(), store, replaced_audio=True)))
    build_state = BuildState(make(), store)
    assert build_state.states("synthesize")[0].state is State.DONE
    assert [
        n
        for n, s in build_state.states("synthesize").items()
        if s.order.key in build_state.listing("synthesize").cleaned
    ] == [n for n in build_state.states("synthesize") if n != 0]


def test_a_clean_that_was_killed_before_the_audio_went_goes_on(unfused):
    make, store = unfused
    removals = list(removable(make(), store, replaced_audio=True))
    audio = store.get(removals[0].key)
    clean(store, removals)
    store.put(removals[0].key, audio)
    assert list(removable(make(), store)) == []
    again = list(removable(make(), store, replaced_audio=True))
    assert [r.key for r in again] == [removals[0].key]
    clean(store, again)
    assert list(removable(make(), store, replaced_audio=True)) == []
    assert _sound(make(), store)
