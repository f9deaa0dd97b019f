"""Local models are known by their content: by the plan, by the workers, and on machines that do not have them."""

from __future__ import annotations

import pytest

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineError
from kespeechchat.engines.models import content, identify
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.execution.worker.shard_maker import ShardMaker
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.model_digests import check_here, unknown, with_model_digests
from kespeechchat.state.saved_profile import load_profile, save_profile
from kespeechchat.store.opening import open_store


def _in_another_process() -> None:
    content.cache_clear()
    identify.cache_clear()


@pytest.fixture
def ground(tmp_path, quickstart):
    """A build that is done, whose judge is a model in a folder; (pipeline, the model's weights)."""
    weights = tmp_path / "models" / "judge" / "weights.bin"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"first")
    file = questions(tmp_path / "questions.jsonl", 4)
    settings = ["rounds=[]", f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 10)}}}]"]

    def make(model=weights.parent):
        model = [f"engines.judge.e5.model={model}"]
        return load_pipeline(quickstart, settings + model, inputs=[file], root=str(tmp_path / "root"))

    _in_another_process()
    pipeline = with_model_digests(make())
    fill(pipeline, open_store(pipeline.root))
    _in_another_process()
    return make, weights


def _stale(pipeline) -> set[str]:
    build_state = BuildState(pipeline, open_store(pipeline.root))
    stages = [unit.name for unit in pipeline.units]
    return {s for s in stages if any(x.state is not State.DONE for x in build_state.states(s).values())}


def test_other_weights_under_the_same_path_make_shards_stale(ground):
    make, weights = ground
    assert _stale(make()) == set()
    weights.write_bytes(b"other")
    _in_another_process()
    assert _stale(make()) == {"filter", "spoken", "watermark", "measure", "gate"}


def test_the_same_weights_at_another_place_do_not(ground):
    make, weights = ground
    moved = weights.parent.rename(weights.parent.parent / "elsewhere")
    assert _stale(make(moved)) == set()


def test_where_the_model_is_not_the_builds_own_word_counts(ground):
    make, weights = ground
    save_profile(with_model_digests(make()))
    _in_another_process()
    weights.unlink()
    weights.parent.rmdir()
    assert _stale(make()) == set()
    assert _stale(load_profile(make().root)) == set()


def test_a_model_that_nobody_has_seen_is_told(ground, tmp_path, capsys):
    make, _ = ground
    nowhere = make(tmp_path / "nowhere")
    assert unknown(with_model_digests(nowhere)) == [str(tmp_path / "nowhere")]
    build(nowhere, Progress("plain"), ["ingest"], inline=True)
    assert f"model {tmp_path / 'nowhere'} is not on this machine" in capsys.readouterr().err


def test_a_worker_with_other_weights_than_the_build_began_with_stops(ground):
    make, weights = ground
    begun = with_model_digests(make())
    weights.write_bytes(b"copied badly")
    _in_another_process()
    check_here(begun, [])
    with pytest.raises(EngineError, match="put the same files on every machine"):
        ShardMaker(begun, Unit.of("filter"), open_store(begun.root)).load()


def test_a_chain_takes_the_builds_word_too_and_its_own_last(ground):
    """Both chains speak with the same models, and each may have run on another machine than this."""
    make, weights = ground
    nowhere = make(weights.parent.parent / "nowhere")
    judge = nowhere.engine("judge", "e5").model
    ours, theirs = (nowhere.of_chain(chain) for chain in ("dialogues", "interleave"))
    save_profile(ours.model_copy(update={"contents": {judge: "the build's"}}))
    assert with_model_digests(theirs).contents == {judge: "the build's"}, "interleave has not run yet"
    save_profile(theirs.model_copy(update={"contents": {judge: "its own"}}))
    assert with_model_digests(theirs).contents == {judge: "its own"}
    assert with_model_digests(ours).contents == {judge: "the build's"}, "of a chain that it does not need"
    save_profile(theirs.model_copy(update={"contents": {}}))
    assert with_model_digests(theirs).contents == {judge: "the build's"}
