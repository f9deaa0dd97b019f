"""`kesc status --why` names what changed with its old and its new value."""

from __future__ import annotations

import pytest
import yaml

from benchmarks.recorded import ANY_LANGUAGE, fill, questions, recipe
from kespeechchat.commands.why import why
from kespeechchat.config.load import load_pipeline
from kespeechchat.store.opening import open_store


@pytest.fixture
def profile(tmp_path, quickstart):
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 10)}}}]"
    file = questions(tmp_path / "q.jsonl", 4)

    def make(*overrides: str):
        settings = (speech, ANY_LANGUAGE, "rounds=[]", *overrides)
        return load_pipeline(quickstart, settings, inputs=[file], root=str(tmp_path / "root"))

    return make


def test_a_changed_setting_an_engine_and_a_prompt(profile, tmp_path, quickstart):
    before = profile("stages.gate.max_error={zh: 0.2, en: 0.2}")
    store = open_store(before.root)
    fill(before, store)
    now = profile("stages.gate.max_error={zh: 0.3, en: 0.3}")
    assert why(now, store, "gate", 0) == ["gate shard 00000 is stale:", "  gate.max_error: was 0.2, is 0.3"]
    assert why(before, store, "gate", 0) == ["gate shard 00000 is done"]
    lines = why(
        profile("engines.asr.whisper.padding=7", "stages.gate.max_error={zh: 0.2, en: 0.2}"), store, "measure", 0
    )
    assert len(lines) == 2 and "was 6" in lines[1] and "is 7" in lines[1], lines
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    for file in (quickstart.parent.parent / "prompts").glob("*.yaml"):
        text = yaml.safe_load(file.read_text("utf-8"))
        if file.stem == "spoken-grounded" or file.stem == "spoken":
            for language in ("zh", "en"):
                text[language]["system"] += " One more."
        (prompts / file.name).write_text(yaml.safe_dump(text, allow_unicode=True), "utf-8")
    lines = why(profile(f"prompts_dir={prompts}", "stages.gate.max_error={zh: 0.2, en: 0.2}"), store, "spoken", 0)
    assert len(lines) == 3 and lines[1].endswith(' One more."'), lines
    assert ".system: was " in lines[1]


def test_a_value_that_no_saved_profile_has_is_not_known(profile):
    before = profile("stages.gate.max_error={zh: 0.2, en: 0.2}")
    store = open_store(before.root)
    fill(before, store)
    for key, _ in list(store.list("pipelines")):
        store.delete(key)
    (line,) = why(profile("stages.gate.max_error={zh: 0.3, en: 0.3}"), store, "gate", 0)[1:]
    assert line == "  gate.max_error: the old value is not known (no saved profile has it), is 0.3"
