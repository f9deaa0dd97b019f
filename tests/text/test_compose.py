from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.text import checks, compose
from kespeechchat.text.compose import (
    Dialogue,
    gist,
    judge_dialogue,
    judge_question,
    parse_dialogue,
    parse_question,
    rewrite_fields,
    spoken_fields,
)
from kespeechchat.text.prompts import load_prompt

PROMPTS = Path(__file__).parents[2] / "prompts"
ICE = "Ice floats because it is lighter than water."


def prompt(name, language):
    return load_prompt(str(PROMPTS / f"{name}.yaml"), language)


def judge(question, instruction, input="", task=None, language="en"):
    name = rewrite_fields(instruction, input, task).prompt
    return judge_question(
        question, instruction, input, task, prompt("rewrite" if name == "plain" else "rewrite-directive", language)
    )


@pytest.mark.parametrize("name", ["rewrite", "rewrite-directive", "spoken", "spoken-grounded"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_example_of_a_prompt_passes_the_rules_it_teaches(name, language):
    ours = prompt(name, language)
    for n, example in enumerate(ours.examples):
        others = ours.examples[:n] + ours.examples[n + 1 :]
        rest = type(ours)(ours.name, language, ours.system, ours.template, others, ours.schema)
        fields, text = example["fields"], json.dumps(example["output"], ensure_ascii=False)
        if name.startswith("rewrite"):
            task = "summarization" if "information" in fields else None
            source = ("", fields["information"]) if task else (fields["text"], "")
            assert judge_question(parse_question(text, language), *source, task, rest) is None, example
        else:
            reason = judge_dialogue(parse_dialogue(text, language), fields["question"], fields.get("reference"), rest)
            assert reason is None, example


def test_a_directive_gives_its_information_alone():
    asked = rewrite_fields("Classify the feeling in the sentence.", "My train was late.", "classification")
    assert (asked.prompt, asked.fields) == ("directive", {"information": "My train was late."})


def test_an_instruction_to_answer_a_question_is_that_question():
    asked = rewrite_fields("回答以下问题：中国最长的河流是哪一条？", "", "closed qa")
    assert (asked.prompt, asked.fields) == ("plain", {"text": "中国最长的河流是哪一条？"})


@pytest.mark.parametrize(
    ("question", "instruction", "input", "task", "reason"),
    [
        ("Why does ice float on water?", "Explain why ice floats on water.", "", None, None),
        ("Why does ice float on water?", "Why does ice float on water?", "", None, None),
        ("Classify the feeling in the sentence?", "Classify the feeling in the sentence.", "I am sad.", None, "echo"),
        ("My train was late again today?", "Classify the sentence.", "My train was late again today.", None, "echo"),
        ("Why does my dog bark?", "Explain why ice floats on water.", "", None, "off_topic"),
        (
            "What is your favourite subject?",
            "Write a text about the subject.",
            "Ada | born in | London",
            None,
            "off_topic",
        ),
        ("Where was Ada, the subject, born?", "Say where the subject was born.", "Ada | born in | London", None, None),
        (
            "What do the given words have in common?",
            "What do the given words share?",
            "ice | snow",
            None,
            "points_at_text",
        ),
        ("What does ice do on water?", "Explain why ice floats on water.", "", None, "changed_kind"),
        ("Why do people float on a salty lake.", "Explain why people float on a salty lake.", "", None, "no_question"),
        ("Can you tell me why cats purr?", "Why do cats sleep so much?", "", None, "copied_example"),
        ("What do five apples and two pears cost?", "What do 5 apples and 2 pears cost?", "", None, None),
        ("What do five apples and pears cost?", "What do 5 apples and 2 pears cost?", "", None, "changed_numbers"),
        (None, "Why do cats sleep?", "", None, "malformed"),
        ("为什么猫喜欢睡觉？", "Why do cats sleep?", "", None, "other_language"),
    ],
)
def test_what_is_wrong_with_a_question(question, instruction, input, task, reason):
    assert judge(question, instruction, input, task) == reason


@pytest.mark.parametrize(
    ("said", "reply", "reason"),
    [
        ("Can you tell me why ice floats on water?", "Well, ice floats because it's lighter than water.", None),
        ("Why does ice float on water?", "Ice floats because it is full of salt and fish.", "disagrees_added"),
        ("Why does ice float on water?", "Ice floats because it is not lighter than water.", "disagrees_negation"),
        ("Why does my dog bark?", ICE, "off_topic"),
        ("Why does ice float on water?", "Ice floats on water, why does it?", "question_back"),
        ("Ice floats on water, it does.", ICE, "no_question"),
        ("Why does ice float on water?", "It is lighter (than water).", "bracket"),
        ("Ice floats because it is lighter than water, why?", "It is lighter than water.", "gives_answer"),
    ],
)
def test_what_is_wrong_with_a_dialogue(said, reply, reason):
    found = judge_dialogue(Dialogue(said, reply), "Why does ice float on water?", ICE, prompt("spoken-grounded", "en"))
    assert found == reason


def test_an_answer_that_is_a_piece_of_its_question_is_an_echo():
    asked = "If I buy ten litres at two euros each today, what do I pay?"
    said = Dialogue(asked, "I buy ten litres at two euros each.")
    assert judge_dialogue(said, asked, None, prompt("spoken", "en")) == "echo"
    assert judge_dialogue(Dialogue(asked, "You pay twenty euros."), asked, None, prompt("spoken", "en")) is None


def test_the_longest_response_is_the_profiles():
    dialogue = Dialogue("Why does ice float?", "It floats because it is lighter than water.")
    assert judge_dialogue(dialogue, "Why does ice float?", None, prompt("spoken", "en"), longest=5) == "too_long"


def test_completions_are_read_with_their_numbers_in_words():
    assert parse_question('{"question": "一年有4个季节吗？？"}', "zh") == "一年有四个季节吗？"
    assert parse_dialogue('```json\n{"instruction": "Why?", "response": "It has 7 days."}\n```', "en") == Dialogue(
        "Why?", "It has seven days."
    )


@pytest.mark.parametrize("name", ["spoken", "paper/spoken"])
def test_a_number_that_the_sentence_does_not_decide_is_refused_in_every_profile(name):
    said = "Why does ice float on water?"
    left = parse_dialogue(json.dumps({"instruction": said, "response": "It floats, and the answer is 10:30."}), "en")
    assert judge_dialogue(left, said, None, prompt(name, "en")) == "ambiguous_number"
    read = parse_dialogue(json.dumps({"instruction": said, "response": "It has floated since the 1990s."}), "en")
    assert read is not None and read.response == "It has floated since the nineteen nineties."
    assert judge_dialogue(read, said, None, prompt(name, "en")) is None


def test_quotation_marks_are_not_spoken():
    said = parse_dialogue(json.dumps({"instruction": "Why?", "response": 'He said "I have 3 dogs."'}), "en")
    assert said == Dialogue("Why?", "He said I have three dogs.")


@pytest.mark.parametrize(
    ("question", "instruction", "reason"),
    [
        ("Why did he shout ten thirty at the 3 dogs?", "Why did he shout 10:30 at the 3 dogs?", None),
        ("Why did he shout ten thirty at the 4 dogs?", "Why did he shout 10:30 at the 3 dogs?", "changed_numbers"),
        ("Why did he shout at the 4 dogs?", "Why did he shout at the 3 dogs?", "changed_numbers"),
    ],
)
def test_the_model_may_decide_what_the_source_left_in_doubt(question, instruction, reason):
    found = judge(parse_question(json.dumps({"question": question}), "en"), instruction)
    assert found == reason if reason else found in (None, "echo")


@pytest.mark.parametrize("text", ["", "{", '{"question": 3}', "[]", '{"question": "cut off'])
def test_a_broken_completion_is_none(text):
    assert parse_question(text, "en") is None
    assert parse_dialogue(text, "en") is None


def test_the_prompt_shows_the_reference_in_words():
    assert spoken_fields("一周有几天？", "7天。", "zh") == {"question": "一周有几天？", "reference": "七天。"}
    assert spoken_fields("一周有几天？", None, "zh") == {"question": "一周有几天？"}


@pytest.mark.parametrize(
    ("reference", "language", "said"),
    [
        ("Here is why: 1. It is cold. 2. It is dark.", "en", "It is cold. It is dark."),
        ("锻炼身体有很多好处，包括：1. 改善健康：可以增强心血管。", "zh", "改善健康：可以增强心血管。"),
        ("It takes 3.5 hours.", "en", "It takes three point five hours."),
        ("positive", "en", "positive"),
    ],
)
def test_the_gist_of_an_answer_stands_first(reference, language, said):
    assert gist(reference, language) == said


def test_the_gist_is_one_breath_of_a_long_answer():
    long = "Bees dance. " * 40
    assert len(gist(long, "en").split()) <= 25


_LOOPS = st.lists(
    st.sampled_from(["the sea", " and ", "cat", "egory ", "very ", ", ", ". ", "大海", "很", "，", "。"]), max_size=24
)


@given(
    _LOOPS.map("".join), st.sampled_from(["zh", "en"]), st.integers(3, 30), st.sampled_from(['": "', '":"', '" : "'])
)
def test_a_text_that_is_stopped_could_not_have_passed(text, language, longest, colon):
    """However the completion goes on: of a text that can pass, no beginning is hopeless."""
    refused = checks.wrong_length(text, language, 0, longest) == "too_long" or checks.repetition(text, language)
    for end in range(len(text) + 1):
        if compose.hopeless(f'{{"question{colon}{text[:end]}', language, longest):
            assert refused, text[:end]


def test_a_loop_is_stopped_before_it_is_long():
    assert compose.hopeless('{"question": "Is it very very very very ', "en", 100)
    assert not compose.hopeless('{"question": "Is it cold, is it cold', "en", 100)
