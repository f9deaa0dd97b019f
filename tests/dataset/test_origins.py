"""What the card says of inputs, people and departures follows from what the build used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.recorded import questions, recipe
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.card import CardFacts, card
from kespeechchat.dataset.origins import NOT_STATED, corpus_of, departures_of, inputs_of
from kespeechchat.dataset.statistics import Statistics
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.records import Audio
from kespeechchat.store.audio import write_wav
from kespeechchat.store.opening import open_store

PIPELINES = Path(__file__).parents[2] / "pipelines"


@pytest.fixture
def planned(tmp_path, quickstart):
    """(profile, paths of its inputs by branch) of a build on these speech inputs."""

    def make(speech: str, *overrides: str):
        file = questions(tmp_path / "mine.jsonl", 4)
        settings = (f"speech.inputs={speech}", *overrides)
        pipeline = load_pipeline(quickstart, settings, inputs=[file], root=str(tmp_path / "root"))
        store = open_store(pipeline.root)
        branches = ("instructions", "speech")
        return pipeline, {branch: shard_inputs(store, pipeline, branch).input_paths for branch in branches}

    return make


def _people(tmp_path) -> Path:
    folder = tmp_path / "LibriSpeech" / "19"
    folder.mkdir(parents=True)
    write_wav(folder / "a.wav", Audio(np.full(8000, 0.1, dtype=np.float32), 8000))
    return folder.parent


def test_an_input_is_named_with_what_is_stated_of_it_or_that_nothing_is(planned, tmp_path):
    speech = f"[{{path: {_people(tmp_path)}, language: en, origin: OpenSLR, licence: CC BY 4.0}}]"
    pipeline, paths = planned(speech)
    assert [(i.name, i.origin, i.licence) for i in inputs_of(pipeline, paths)] == [
        ("mine.jsonl", NOT_STATED, NOT_STATED),
        ("LibriSpeech", "OpenSLR", "CC BY 4.0"),
    ]
    assert corpus_of(paths) == "recordings"
    told = departures_of(pipeline, "recordings")
    assert not [d for d in told if "nobody real" in d.reason or d.setting == "speech corpus"]


def test_a_corpus_that_grew_by_recordings_is_not_synthetic_any_more(planned, tmp_path):
    made = recipe(tmp_path / "speech.yaml", 10)
    pipeline, paths = planned(f"[{{path: {made}}}]")
    assert corpus_of(paths) == "recipe"
    assert "speech corpus" in {d.setting for d in departures_of(pipeline, "recipe")}
    _, paths = planned(f"[{{path: {_people(tmp_path)}, language: en}}]")
    assert corpus_of(paths) == "both"  # the first pass's rows are still part of the build


@pytest.mark.parametrize("corpus", ["recipe", "recordings", "both"])
def test_the_card_says_that_nobody_real_is_in_it_only_of_a_recipe(corpus):
    build = BuildFacts(corpus=corpus, privacy={"note": "n"})
    text = card(CardFacts(build, Statistics(0.5).result(), {}))
    assert ("nobody real is in it" in text) is (corpus == "recipe")
    assert ("real people" in text) is (corpus != "recipe")


@pytest.mark.parametrize(
    ("name", "changed", "departure"),
    [("quickstart", {"timing": None}, "timing"), ("ke-speechchat", {"rounds": ()}, "rounds")],
)
def test_a_departure_stands_only_while_its_settings_have_their_values(name, changed, departure):
    pipeline = load_pipeline(PIPELINES / f"{name}.yaml")
    assert departures_of(pipeline, "recipe") == list(pipeline.departures)
    for told in pipeline.departures:
        assert told.where or told.corpus or told.setting == "prompts"
    without = {d.setting for d in departures_of(pipeline.model_copy(update=changed), "recipe")}
    assert {d.setting for d in pipeline.departures} - without == {departure}


def test_a_changed_value_takes_its_departure_out(quickstart):
    changed = load_pipeline(quickstart, ("stages.gate.unit.zh=character", "stages.spoken.max_length.en=30"))
    gone = {d.setting for d in changed.departures} - {d.setting for d in departures_of(changed, "recipe")}
    assert gone == {"stages.gate.unit.zh", "stages.spoken.max_length"}


def test_an_empty_licence_is_not_taken_for_one(quickstart):
    with pytest.raises(ConfigError):
        load_pipeline(quickstart, ("speech.inputs.0.licence=7",))
