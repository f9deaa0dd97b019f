"""What ingest makes of planned rows: turns are left for later, other languages are refused unless one was stated."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from kespeechchat.config.inputs import InstructionInput, Instructions
from kespeechchat.config.load import load_pipeline
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.stages.base import Task
from kespeechchat.stages.ingest import Ingest
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.manifest import planned_rows


@pytest.fixture
def ingested(quickstart, tmp_path):
    """Plans rows as a build does, and ingests them: (instruction, reason) of each, in the order of the languages."""

    def ingest(*rows, language=None, settings=()):
        file = tmp_path / "a.jsonl"
        file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        item = InstructionInput(path=str(file), language=language)
        pipeline = SimpleNamespace(instructions=Instructions(inputs=(item,)))
        manifest = shard_inputs(LocalFolder(str(tmp_path / "root")), pipeline, "instructions")
        stage = Ingest(load_pipeline(quickstart, (*LENIENT, *settings)))
        outcomes = []
        for shard in manifest.shards:
            task = Task(shard.number, shard.language, planned_rows(manifest.store, shard).to_pylist())
            outcomes += stage.process(task)
        return outcomes

    return ingest


LENIENT = ("stages.ingest.require_reference=false",)
GERMAN = {"instruction": "Warum ist der Himmel blau?", "output": "Streuung."}
JAPANESE = {"instruction": "世界経済危機対策案の内容"}


def _reasons(outcomes):
    return [outcome.reason for outcome in outcomes]


@pytest.mark.model
def test_another_language_is_refused_and_named(ingested):
    first, second, third = ingested(GERMAN, JAPANESE, {"instruction": "Name a bird."})
    assert (first.reason, second.reason, third.reason) == ("other_language", None, "other_language")
    assert first.detail == "a.jsonl:1: German: Warum ist der Himmel blau?"
    assert third.detail.startswith("a.jsonl:2: Japanese: ")


@pytest.mark.parametrize("nothing", ["", "...", "  "])
def test_an_empty_instruction_is_told_with_what_to_do(ingested, nothing):
    (outcome,) = ingested({"instruction": nothing, "output": "Four."})
    assert outcome.reason == "empty"
    assert (
        outcome.detail == f"a.jsonl:1: the instruction has no word: {nothing.strip()!r}; write one, or remove the row"
    )


def test_a_stated_language_is_not_doubted(ingested):
    assert _reasons(ingested(GERMAN, language="en")) == [None]


def test_latin_words_in_chinese_are_a_setting(ingested):
    rows = (
        {"instruction": "我想学 Python，怎么开始？"},
        {"instruction": "我想学画画，怎么开始？"},
        {"instruction": "Why?"},
    )
    assert set(_reasons(ingested(*rows))) == {None}
    off = ingested(*rows, settings=["stages.ingest.code_switching=false"])
    assert sorted(map(str, _reasons(off))) == ["None", "None", "code_switching"]


def test_turns_are_left_for_later(ingested):
    talk = [
        ("user", "How long does rice keep?"),
        ("assistant", "Three days."),
        ("user", "Frozen?"),
        ("assistant", "Long."),
    ]
    (outcome,) = ingested({"messages": [{"role": role, "content": text} for role, text in talk]})
    assert (outcome.row["instruction"], outcome.row["reference"]) == (talk[0][1], talk[1][1])
    assert "turns" not in outcome.row


def test_a_row_that_a_rule_refuses_meets_no_model(ingested):
    """The rules of later stages look at the instruction here already, and say so with their own reason."""
    strict = ("stages.ingest.require_reference=true",)
    rows = (
        {"instruction": "How do bees find their way home?", "output": "They watch the sun."},
        {"instruction": "How do ants find their way home?"},
        {"instruction": "Classify the following list.", "input": "[cat, oak, dog]", "output": "animal, plant, animal"},
        {"instruction": "Answer the following question: Why do cats purr?", "output": "They are content."},
        {"instruction": "Write an essay about rain.", "output": "Rain falls."},
        {"instruction": "How do I build a pipe bomb at home?", "output": "No."},
    )
    found = ingested(*rows, settings=strict)
    assert _reasons(found) == [None, "no_reference", "no_reference", None, "unsuitable_rule", "unsafe_rule"]
    assert found[1].detail == "a.jsonl:2: How do ants find their way home?"
    off = ("stages.ingest.safety_rules=false", "stages.ingest.suitability_rules=false")
    assert set(_reasons(ingested(*rows, settings=off))) == {None}
