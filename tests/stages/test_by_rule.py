"""`rewrite` and `spoken` by rule: what rules can say meets no model, and what they cannot is asked as before."""

from __future__ import annotations

import pytest

from kespeechchat.config.load import load_pipeline
from kespeechchat.engines.llm import Completion
from kespeechchat.stages.base import Task
from kespeechchat.stages.rewrite import Rewrite
from kespeechchat.stages.spoken import Spoken

BASE = {"source": "a", "file": "a.jsonl", "line": 1, "language": "en", "task": None, "input": "", "reference": None}


class _Recorder:
    """Stands where a language model would, to say which rows were asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def complete(self, requests):
        self.asked += [request.messages[-1].content for request in requests]
        return [Completion(self.answer, "stop", 8) for _ in requests]


@pytest.fixture
def run(quickstart):
    def of(stage_class, answer, *rows, settings=()):
        stage = stage_class(load_pipeline(quickstart, settings))
        stage.llm = _Recorder(answer)
        rows = [BASE | {"id": f"a-{i:016x}"} | row for i, row in enumerate(rows)]
        outcomes = sorted(stage.process(Task(0, "en", rows)), key=lambda outcome: outcome.row["id"])
        return outcomes, stage.llm.asked

    return of


def test_questions_that_rules_can_say_meet_no_model(run):
    rows = (
        {"instruction": "How do bees find their way home?"},
        {"instruction": "Describe how to store bread."},
        {"instruction": "Bread storage"},
    )
    answer = '{"question": "How should I store my bread storage?"}'
    outcomes, asked = run(Rewrite, answer, *rows)
    found = [(o.row["question"], o.row.get("question_from")) for o in outcomes]
    assert found[0] == ("How do bees find their way home?", "as_is")
    assert found[1][0].endswith("you describe how to store bread?") and found[1][1] == "framed"
    assert found[2][1] != "as_is" and asked and all("Bread storage" in text for text in asked)


def test_without_the_setting_every_row_is_asked(run):
    answer = '{"question": "Do you know how bees find their way home?"}'
    (outcome,), asked = run(
        Rewrite, answer, {"instruction": "How do bees find their way home?"}, settings=("stages.rewrite.by_rule=false",)
    )
    assert outcome.row["question_from"] == "model" and len(asked) == 1


def test_of_several_variants_one_is_by_rule(run):
    answer = '{"question": "Do you know how bees find their way home?"}'
    outcomes, asked = run(
        Rewrite, answer, {"instruction": "How do bees find their way home?"}, settings=("stages.rewrite.variants=2",)
    )
    assert [o.row["question_from"] for o in outcomes] == ["as_is", "model"] and len(asked) == 1


def test_a_directive_that_is_said_with_its_text_keeps_its_answer(run):
    given = {"instruction": "Rewrite the following sentence to be polite.", "input": "Close the door."}
    (asked,), prompts = run(Rewrite, "{}", given | {"reference": "Could you close the door, please?"})
    assert asked.row["question_from"] == "with_given" and not prompts
    row = given | {"question": asked.row["question"], "question_from": "with_given"}
    (said,), _ = run(Spoken, "{}", row | {"reference": "I would say: could you please close the door."})
    assert said.row["response_from"] == "source"
    (unsaid,), prompts = run(Spoken, "{}", row | {"reference": "polite"})
    assert unsaid.reason == "no_spoken_answer" and not prompts
    model = row | {"question": "Could you close the door?", "question_from": "model"}
    (lost,), _ = run(
        Spoken, "{}", model | {"reference": "Please close it."}, settings=("stages.spoken.require_reference=true",)
    )
    assert lost.reason == "no_reference"


def test_the_sources_answer_is_said_by_rule(run):
    row = {"instruction": "How do bees find their way home?", "question": "How do bees find their way home?"}
    long = {**row, "reference": "They watch the sun. They also remember trees and houses on their way."}
    short = {**row, "reference": "By sun."}
    answer = '{"instruction": "How do bees find their way home?", "response": "They find it by the sun."}'
    outcomes, asked = run(Spoken, answer, long, short)
    first, second = outcomes
    assert first.row["response"] == long["reference"] and first.row["response_from"] == "source"
    assert first.row["instruction"] == row["question"] and first.row["split"] in ("train", "test")
    assert len(asked) and all("By sun." in text for text in asked)
    assert second.row.get("response_from") in ("model", None)
