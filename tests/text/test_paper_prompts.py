"""The paper profile's prompts: their own examples must pass the rules by which answers are judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kespeechchat.engines.judge.llm import shots
from kespeechchat.text.compose import judge_dialogue, judge_question, parse_dialogue, parse_question
from kespeechchat.text.prompts import Prompt, load_prompt
from kespeechchat.text.safety import unsafe

FOLDER = Path(__file__).parents[2] / "prompts" / "paper"
LANGUAGES = ("zh", "en")


def prompt(name: str, language: Any) -> Prompt:
    return load_prompt(str(FOLDER / f"{name}.yaml"), language)


@pytest.mark.parametrize("name", ["rewrite", "rewrite-directive"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_question_shown_could_be_kept(name: str, language: Any):
    ours = prompt(name, language)
    for example, rest in _each(ours):
        task = "summarization" if "information" in example["fields"] else None
        source = ("", example["fields"]["information"]) if task else (example["fields"]["text"], "")
        question = parse_question(json.dumps(example["output"], ensure_ascii=False), language)
        assert judge_question(question, *source, task, rest) is None, example


@pytest.mark.parametrize("name", ["spoken", "spoken-grounded"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_dialogue_shown_could_be_kept_and_keeps_the_asked_length(name: str, language: Any):
    ours = prompt(name, language)
    longest = {"zh": 150, "en": 100}[language]
    for example, rest in _each(ours):
        fields = example["fields"]
        dialogue = parse_dialogue(json.dumps(example["output"], ensure_ascii=False), language)
        assert judge_dialogue(dialogue, fields["question"], fields.get("reference"), rest, longest) is None, example


@pytest.mark.parametrize("name", ["suitable", "clear", "safe"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_criterion_shows_as_many_true_as_false(name: str, language: Any):
    ours = prompt(name, language)
    shown = shots(ours.examples, 8)
    assert len(shown) == 8 and len({e["text"] for e in shown}) == 8
    assert ours.schema["properties"] == {"verdict": {"type": "boolean"}}
    assert not [e["text"] for e in shown if e["label"] and unsafe(e["text"], language)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_paper_asks_for_100_words(language: Any):
    assert {"zh": "一百五十个字", "en": "at most one hundred words"}[language] in prompt("spoken", language).system


def _each(ours: Prompt) -> list[tuple[dict[str, Any], Prompt]]:
    """Each example, and the prompt without it."""
    shown = ours.examples
    return [(e, replace(ours, examples=shown[:n] + shown[n + 1 :])) for n, e in enumerate(shown)]
