"""What a change makes stale: exactly the stages that depend on it, for the language it concerns."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.recorded import ANY_LANGUAGE, fill, questions, recipe
from kespeechchat.commands.status import status
from kespeechchat.commands.why import why
from kespeechchat.config.load import load_pipeline
from kespeechchat.execution.driver import build as run_build
from kespeechchat.execution.progress import Progress
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.voice_pin import pin, read_pin
from kespeechchat.store.commit import ShardKey, commit_failure, list_commits, mark_corrupt, read_record
from kespeechchat.store.opening import open_store

TEXT = ("ingest", "rewrite", "filter", "spoken")
VOICES = ("corpus", "clips", "speakers", "blend", "audition", "voices")
AUDIO = ("synthesize", "watermark", "measure", "gate")
AGAIN = tuple(f"{stage}.r1" for stage in AUDIO)  # what reads what the gate kept
ALL = (*TEXT, *VOICES, *AUDIO, *AGAIN)


@pytest.fixture
def build(tmp_path, quickstart):
    """A pipeline and a store that holds every shard of every stage."""
    file = questions(tmp_path / "questions.jsonl", 12)
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"

    def make(*overrides: str):
        own = (speech, "rounds=[voice]", *overrides)
        return load_pipeline(quickstart, own, inputs=[file], root=str(tmp_path / "root"))

    store = open_store(make().root)
    fill(make(), store)
    return make, store


def _not_done(pipeline, store, language=None):
    """stage → states other than done, of the shards of `language` (None: of all)."""
    build_state = BuildState(pipeline, store)
    found = {}
    for stage in pipeline.flow:
        states = [s for s in build_state.states(stage).values() if language in (None, s.order.language)]
        if waiting := {s.state.value for s in states if s.state is not State.DONE}:
            found[stage] = waiting
    return found


def test_everything_committed_is_done(build):
    make, store = build
    assert _not_done(make(), store) == {}


@pytest.mark.parametrize("filled", [(), ("ingest",), ("ingest", "rewrite", "corpus", "clips", "speakers"), ALL])
def test_the_tally_is_that_of_the_states(tmp_path, quickstart, filled):
    """Of what was never begun it is counted without them."""
    file = questions(tmp_path / "questions.jsonl", 12)
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"
    pipeline = load_pipeline(quickstart, (speech, "rounds=[voice]"), inputs=[file], root=str(tmp_path / "root"))
    store = open_store(pipeline.root)
    fill(pipeline, store, filled)
    for stage in pipeline.flow:
        counted, looked_at = BuildState(pipeline, store), BuildState(pipeline, store).states(stage)
        assert counted.tally(stage) == Counter(s.state for s in looked_at.values())
        assert counted.done(stage) == [s.order for s in looked_at.values() if s.state is State.DONE]
    assert pipeline.unit_of("gate").name not in counted._states or filled == ALL  # no order is written in vain


def test_a_gate_threshold_makes_only_the_gate_stale_and_only_in_its_language(build):
    make, store = build
    changed = make("stages.gate.max_error.zh=0.2")
    assert _not_done(changed, store, "zh") == {stage: {"stale"} for stage in ("gate", *AGAIN)}
    assert _not_done(changed, store, "en") == {}


def test_a_prompt_makes_its_stage_and_what_follows_stale_for_its_language(build):
    make, store = build
    changed = make()
    prompt = {**changed.prompts["spoken"], "zh": {**changed.prompts["spoken"]["zh"], "system": "Ganz anders."}}
    changed = changed.model_copy(update={"prompts": {**changed.prompts, "spoken": prompt}})
    assert set(_not_done(changed, store, "zh")) == {"spoken", *AUDIO, *AGAIN}
    assert _not_done(changed, store, "en") == {}


@pytest.mark.parametrize(
    ("override", "stale"),
    [
        ("engines.llm.gemma.threads=1", set()),
        ("resources.measure.num_cpus=2", set()),
        ("engines.asr.whisper.beam=5", {"clips", "speakers", "blend", "audition", "voices", "measure", "gate", *AGAIN}),
        ("stages.synthesize.tries=9", {*AUDIO, *AGAIN}),
        ("stages.voices.privacy.speaker_threshold=0.9", {"voices"}),
        ("stages.speakers.mining.similarity=0.6", {"speakers", "blend", "audition", "voices"}),
        ("seed=1", set(ALL)),
        ("stages.ingest.max_characters=50", {*TEXT, *AUDIO, *AGAIN}),
    ],
)
def test_a_setting_makes_stale_what_depends_on_it(build, override, stale):
    make, store = build
    # of a reduce stage's slices nothing is known until it is built again, so audition shows as absent then
    found = set(_not_done(make(override), store))
    assert found == stale - ({"audition"} if "blend" in stale else set())


def test_why_names_what_changed(build):
    make, store = build
    lines = why(make("stages.gate.max_error.zh=0.2"), store, "gate", _shard_of(make(), store, "zh"))
    assert any("gate.max_error" in line for line in lines)


def _shard_of(pipeline, store, language):
    return next(n for n, s in BuildState(pipeline, store).states("gate").items() if s.order.language == language)


def test_a_failure_shows_as_failed_until_it_succeeds(build, tmp_path):
    make, store = build
    changed = make("stages.gate.max_error.zh=0.2")
    shard = _shard_of(changed, store, "zh")
    order = BuildState(changed, store).states("gate")[shard].order
    record = read_record(store, "gate", BuildState(make(), store).states("gate")[shard].order.key)
    failed = record.__class__(**{**record.__dict__, "fingerprint": order.key.fingerprint, "status": "failed"})
    commit_failure(store, "gate", failed)
    assert BuildState(changed, store).states("gate")[shard].state is State.FAILED
    fill(changed, store, ["gate"])
    assert BuildState(changed, store).states("gate")[shard].state is State.DONE


def test_a_corrupt_shard_is_rebuilt_as_the_next_generation_and_stales_what_was_made_of_it(build):
    make, store = build
    key = BuildState(make(), store).states("spoken")[0].order.key
    mark_corrupt(store, "spoken", key, "torn")
    build_state = BuildState(make(), store)
    assert build_state.states("spoken")[0].order.key == ShardKey(0, key.fingerprint, 1)
    assert build_state.states("gate")[0].state is State.STALE
    fill(make(), store)
    assert list_commits(store, "spoken").committed[(0, key.fingerprint)] == 1
    assert _not_done(make(), store) == {}


def test_another_library_is_taken_only_when_asked_for(build):
    make, store = build
    record = read_record(store, "voices", BuildState(make(), store).states("voices")[0].order.key)
    other = record.__class__(**{**record.__dict__, "content": "another"})
    assert pin(store, other)[1] is False
    assert _not_done(make(), store) == {}
    assert pin(store, other, replace=True)[1] is True
    assert read_pin(store).content == "another"
    assert set(_not_done(make(), store)) == {*AUDIO, *AGAIN}


def test_status_counts_shards_and_rows_from_names_and_cached_counts(build):
    make, store = build
    found = {s["name"]: s for s in status(make(), store)["stages"]}
    assert tuple(found) == ALL
    first = [s for name, s in found.items() if name not in AGAIN]
    assert all(s["done"] == s["shards"] > 0 and s["kept"] == s["rows_in"] == s["done"] for s in first)
    assert all(found[stage]["done"] == found["gate"]["done"] and found[stage]["rows_in"] == 0 for stage in AGAIN)
    stale = {s["name"]: s["stale"] for s in status(make("stages.gate.max_error.zh=0.2"), store)["stages"]}
    assert {name for name, n in stale.items() if n} == {"gate", *AGAIN}


def test_a_partial_reduction_is_another_shard_and_stale_once_all_is_there(build):
    make, store = build
    for key in [s.order.key for s in BuildState(make(), store).states("clips").values()][:1]:
        mark_corrupt(store, "clips", key, "torn")
    partial = BuildState(make(), store, partial=True)
    speakers = partial.states("speakers")[0]
    assert len(speakers.order.inputs[0].keys) == len(partial.states("clips")) - 1
    assert speakers.state is State.STALE
    whole = BuildState(make(), store).states("speakers")[0].order
    assert whole.key.fingerprint != speakers.order.key.fingerprint


def test_what_stands_after_a_partial_build_is_told_of_the_whole(build):
    """Its last plan serves the closing table and the counts, but not where it took a part for all."""
    make, store = build
    pipeline = make(ANY_LANGUAGE)
    fill(pipeline, store)
    for partial in (False, True):
        build_state = run_build(pipeline, Progress("plain"), inline=True, allow_partial=partial).build_state
        assert not build_state.partial and all(build_state.complete(stage) for stage in ALL)
