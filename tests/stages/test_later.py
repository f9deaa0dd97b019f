"""Conversations of several exchanges in the text stages: what is carried, what ends a dialogue, and what counts."""

from __future__ import annotations

import json

import pytest

from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.engines.llm import Completion
from kespeechchat.records import RowError, turn_names
from kespeechchat.stages.base import Task
from kespeechchat.stages.filter import Filter
from kespeechchat.stages.follow_ups import exchanges_drawn
from kespeechchat.stages.ingest import Ingest
from kespeechchat.stages.rewrite import Rewrite
from kespeechchat.stages.spoken import Spoken
from kespeechchat.stages.synthesize import turns_of
from kespeechchat.store.shards import count

BEES = "How do bees find their way home?"
SUN = "They watch the sun. They also remember trees and houses on their way."
CLOUDS = "And how do they do it on a cloudy day?"
LIGHT = "They see light that people cannot see. It tells them where the sun is behind the clouds."
BASE = {"source": "a", "file": "a.jsonl", "line": 1, "language": "en", "task": None, "input": ""}


class _Model:
    """Stands where a language model would: answers by what the last message holds, and notes what it was asked."""

    def __init__(self, answers=()):
        self.answers, self.asked = dict(answers), []

    def complete(self, requests):
        found = []
        for request in requests:
            asked = request.messages[-1].content
            self.asked.append((asked, request.seed))
            text = next((said for part, said in self.answers.items() if part in asked), "{}")
            found.append(text if isinstance(text, RowError) else Completion(text, "stop", 8))
        return found


@pytest.fixture
def run(quickstart):
    def of(stage_class, rows, answers=(), settings=()):
        stage = stage_class(load_pipeline(quickstart, settings))
        stage.llm = _Model(answers)
        outcomes = list(stage.process(Task(0, "en", rows)))
        return sorted(outcomes, key=lambda o: o.row["id"]), stage.llm.asked

    return of


def planned(*exchanges, id_="a-0") -> dict:
    turns = [
        {"role": role, "content": text}
        for pair in exchanges
        for role, text in zip(("user", "assistant"), pair, strict=False)
        if text
    ]
    raw = {"instruction": exchanges[0][0], "input": "", "reference": exchanges[0][1], "task": None, "turns": turns}
    about = {"id": id_, "occurrence": 1, "source": "a", "file": "a.jsonl", "line": 1, "problem": None}
    return about | {"raw": json.dumps(raw)}


def asked_row(*later, **changes) -> dict:
    return {**BASE, "id": "a-0", "instruction": BEES, "reference": SUN, "later": list(later) or None} | changes


def exchange(instruction=CLOUDS, reference=LIGHT, **more) -> dict:
    return {"instruction": instruction, "reference": reference} | more


def test_ingest_carries_later_exchanges_up_to_the_limit(run):
    row = planned((BEES, SUN), (CLOUDS, LIGHT), ("And at night?", "They rest."), ("Why is that?", "It is dark."))
    (outcome,), _ = run(Ingest, [row])
    assert [e["instruction"] for e in outcome.row["later"]] == [CLOUDS, "And at night?"]
    assert outcome.row["ended"] == outcome.ended == "max_turns"
    (paper,), _ = run(Ingest, [row], settings=("stages.ingest.max_turns=2",))
    assert "later" not in paper.row and paper.ended is None


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (("Translate that into French.", "Le soleil."), "task_translation"),
        (("x" * 241, "Well."), "too_long"),
        ((CLOUDS, ""), "no_reference"),
    ],
)
def test_a_later_turn_that_cannot_be_taken_ends_the_dialogue(run, turn, reason):
    (outcome,), _ = run(Ingest, [planned((BEES, SUN), turn, ("And at night?", "They rest."))])
    assert outcome.status == "kept" and "later" not in outcome.row
    assert outcome.row["ended"] == reason
    assert count(1, [outcome]).ended == {reason: 1}


def test_a_later_turn_that_is_unsafe_refuses_the_whole(run):
    (outcome,), _ = run(Ingest, [planned((BEES, SUN), ("Mail me at jane.doe@example.com, can you?", "Yes."))])
    assert (outcome.status, outcome.reason) == ("rejected", "unsafe_rule")


def test_a_spoken_later_question_stays_and_others_are_rewritten_with_the_history_in_view(run):
    rows = [asked_row(exchange(), exchange("Night behavior", "They rest in the hive."))]
    answers = {"Night behavior": '{"question": "What do bees do at night when there is no sun?"}'}
    (outcome,), asked = run(Rewrite, rows, answers)
    assert [(e["question"], e["question_from"]) for e in outcome.row["later"]] == [
        (CLOUDS, "as_is"),
        ("What do bees do at night when there is no sun?", "model"),
    ]
    ((prompt, _),) = asked
    assert f"User: {BEES}" in prompt and f"User: {CLOUDS}" in prompt and "light that people cannot see" in prompt


def test_what_cannot_be_said_ends_the_dialogue_and_is_counted(run):
    rows = [asked_row(exchange("Night behavior"), exchange())]
    (outcome,), asked = run(Rewrite, rows, {"Night": '{"question": "Night."}'})
    assert "later" not in outcome.row and outcome.row["ended"] == outcome.ended
    assert len(asked) == 3, "the profile's candidates"
    assert sum(count(1, [outcome]).ended.values()) == 1
    (again,), _ = run(Rewrite, [asked_row(exchange(BEES))])
    assert again.ended == "asked_before"


def test_an_engine_error_fails_the_row(run):
    (outcome,), _ = run(Rewrite, [asked_row(exchange("Night behavior"))], {"Night": RowError("out of memory")})
    assert (outcome.status, outcome.detail) == ("failed", "out of memory")


def test_the_judge_hears_all_questions_and_the_rules_hold_each(quickstart):
    class Judge:
        def judge(self, texts, prompt, language, seeds):
            from kespeechchat.engines.judge import Verdict

            heard.extend(texts)
            return [Verdict(0.9) for _ in texts]

    heard: list[str] = []
    stage = Filter(load_pipeline(quickstart))
    stage.judges = [Judge() for _ in stage.settings.criteria]
    later = [exchange(question=CLOUDS), exchange("Draw it", question="Can you put that in a table?")]
    rows = [
        asked_row(*later, question=BEES),
        asked_row(exchange("a@b.org", question="Is a@b.org yours?"), question=BEES, id="a-1"),
        asked_row(question=BEES, id="a-2"),
    ]
    first, unsafe, single = stage.process(Task(0, "en", rows))
    assert heard[0] == f"{BEES}\n{CLOUDS}\nCan you put that in a table?" and heard[2] == BEES
    assert [e["question"] for e in first.row["later"]] == [CLOUDS] and first.ended == "unsuitable_rule"
    assert unsafe.reason == "unsafe_rule"
    assert "later" not in single.row


def test_the_agent_answers_later_questions_by_rule_and_by_the_model(run):
    later = [exchange(question=CLOUDS), exchange("Night", "The hive.", question="Where do bees stay during the night?")]
    rows = [asked_row(*later, question=BEES)]
    answers = {"during the night": '{"response": "During the night bees stay in the hive."}'}
    (outcome,), asked = run(Spoken, rows, answers)
    assert [(e["instruction"], e["response_from"]) for e in outcome.row["later"]] == [
        (CLOUDS, "source"),
        ("Where do bees stay during the night?", "model"),
    ]
    assert "The hive." in asked[-1][0] and f"Assistant: {SUN}" in asked[-1][0]
    said = turns_of(outcome.row)
    assert [role for role, _ in said] == ["user", "agent"] * 3
    assert turn_names(role for role, _ in said) == ["user", "agent", "user2", "agent2", "user3", "agent3"]


def test_one_exchange_has_the_columns_that_it_had(run):
    for stage, row in ((Rewrite, asked_row()), (Spoken, asked_row(question=BEES))):
        (outcome,), _ = run(stage, [row])
        assert outcome.status == "kept" and not {"later", "ended"} & set(outcome.row)


FOLLOWS = (
    "stages.spoken.follow_ups={exchanges: {2: 1}, prompt: paper/follow-up}",
    "stages.spoken.later_prompt=paper/spoken-later",
    "engines.llm.gemma={use: openai, url: 'http://127.0.0.1:1/v1', model: m}",
)


def test_a_chat_model_goes_on_as_often_as_was_drawn(run):
    answers = {  # the first that fits: an answer is asked with its question, a question without one
        "their way?\nReference": '{"response": "Its place in the sky shows bees a direction."}',
        "is gone?\nReference": '{"response": "They wait near the hive until it gets light."}',
        "a direction.": '{"question": "And what do bees do when the sun is gone?"}',
        "Assistant: They watch": '{"question": "How does the sun show bees their way?"}',
    }
    (outcome,), asked = run(Spoken, [asked_row(question=BEES)], answers, FOLLOWS)
    assert [e["instruction"] for e in outcome.row["later"]] == [
        "How does the sun show bees their way?",
        "And what do bees do when the sun is gone?",
    ]
    assert outcome.ended is None and len({seed for _, seed in asked}) == len(asked)


def test_a_follow_up_that_cannot_be_used_ends_the_dialogue(run):
    (outcome,), _ = run(
        Spoken, [asked_row(question=BEES)], {"Assistant:": '{"question": "Thank you very much."}'}, FOLLOWS
    )
    assert outcome.status == "kept" and outcome.ended == "no_question" and "later" not in outcome.row


def test_how_many_follow_ups_are_drawn_is_the_distribution():
    drawn = [exchanges_drawn({0: 1, 1: 2, 3: 1}, k / 1000) for k in range(1000)]
    assert [drawn.count(n) for n in (0, 1, 2, 3)] == [250, 500, 0, 250]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("stages.spoken.follow_ups={exchanges: {0: 0}}",), "is no distribution"),
        (("stages.spoken.follow_ups={}", "stages.spoken.later_prompt=null"), "nothing answers them"),
        (("stages.spoken.follow_ups={prompt: paper/follow-up}",), "is a base model"),
        (("stages.rewrite.by_rule=false", "stages.rewrite.later_prompt=null"), "nothing makes later turns speakable"),
        (("stages.ingest.max_turns=3",), "multiple of 2"),
    ],
)
def test_settings_that_cannot_be(quickstart, settings, told):
    with pytest.raises(ConfigError, match=told):
        load_pipeline(quickstart, settings)
