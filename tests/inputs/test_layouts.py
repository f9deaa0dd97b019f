"""Rows of the common public sets are recognized by their keys, and conversations keep their turns."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.inputs import InstructionInput, InstructionLayout
from kespeechchat.ids import content_id
from kespeechchat.inputs.layouts import _KNOWN_BY, LAYOUTS, detect, read_row
from kespeechchat.inputs.reading import input_batches, input_rows

TWO = [("How long does rice keep?", "Three days."), ("And frozen?", "A month.")]
OPENAI = [
    {"role": role, "content": said} for pair in TWO for role, said in zip(("user", "assistant"), pair, strict=True)
]
SHAREGPT = [{"from": {"user": "human", "assistant": "gpt"}[m["role"]], "value": m["content"]} for m in OPENAI]


@pytest.mark.parametrize(
    ("row", "layout", "expected"),
    [
        ({"instruction": "q", "input": "i", "output": "r"}, "alpaca", ("q", "i", "r", None)),
        ({"instruction": "q", "context": "i", "response": "r", "category": "t"}, "dolly", ("q", "i", "r", "t")),
        ({"id": "1", "system_prompt": "s", "question": "q", "response": "r"}, "openorca", ("q", "", "r", None)),
        ({"question": "q", "std_answer": "r", "class": "t"}, "belle", ("q", "", "r", "t")),
        ({"question": "q", "answer": "r"}, "question-answer", ("q", "", "r", None)),
        ({"question": "q"}, "question-answer", ("q", "", None, None)),
        ({"question": "q", "context": "i"}, "question-answer", ("q", "i", None, None)),
        ({"question": "q", "class": "t"}, "belle", ("q", "", None, "t")),
        ({"prompt": "q", "completion": "r"}, "prompt-completion", ("q", "", "r", None)),
        ({"prompt": "q", "response": "r"}, "prompt-response", ("q", "", "r", None)),
        ({"query": "q", "response": "r"}, "query-response", ("q", "", "r", None)),
        ({"instruction": "q", "response": "r"}, "instruction-response", ("q", "", "r", None)),
        ({"prompt": "q", "prompt_id": "1", "messages": OPENAI[:2]}, "messages", (*TWO[0][:1], "", TWO[0][1], None)),
        ({"conversations": SHAREGPT[:2]}, "sharegpt", (TWO[0][0], "", TWO[0][1], None)),
        ({"instruction": "q", "instances": [{"input": "i", "output": "r"}]}, "alpaca-seed", ("q", "i", "r", None)),
        ({"text": "### Human: q### Assistant: r"}, "text", ("q", "", "r", None)),
    ],
)
def test_public_columns(row, layout, expected):
    assert detect(row) == layout
    assert read_row(row)[:4] == expected
    assert read_row(row).turns == ()
    assert read_row(row, layout)[:4] == expected


def test_the_profile_can_name_each_layout():
    assert set(get_args(InstructionLayout)) == {"auto", *LAYOUTS}
    assert {name for name, _ in _KNOWN_BY} == set(LAYOUTS)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "system", "content": "Be brief."}, *OPENAI]},
        {"messages": [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in OPENAI]},
        {"conversations": SHAREGPT},
        {"conversations": [{"from": "gpt", "value": "Welcome!"}, *SHAREGPT]},
        {"conversations": json.dumps(OPENAI)},
        {"instruction": TWO[1][0], "input": "", "output": TWO[1][1], "history": [list(TWO[0])]},
        {
            "instruction": f"Human:{TWO[0][0]}\nAssistant:{TWO[0][1]}\nHuman:{TWO[1][0]}\nAssistant:",
            "output": TWO[1][1],
        },
        {"text": "### Human: {}### Assistant: {}### Human: {}### Assistant: {}".format(*TWO[0], *TWO[1])},
    ],
)
def test_a_conversation_keeps_its_turns_and_its_first_exchange_is_the_row(row):
    read = read_row(row)
    assert (read.instruction, read.input, read.reference) == (TWO[0][0], "", TWO[0][1])
    assert [tuple(exchange) for exchange in read.turns] == TWO


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"messages": "Hi"}, "messages is text, not a list of messages"),
        ({"messages": [{"role": "wizard", "content": "Hi"}]}, r"messages\[0\]: role is 'wizard'; user"),
        ({"messages": [7]}, r"messages\[0\] is the number 7, not a message"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, r"messages\[0\]: a part .* not text"),
        ({"conversations": []}, "a conversation without a user's turn"),
        ({"instruction": "q", "output": "r", "history": [["a"]]}, r"history\[0\] is not a \[question, answer\] pair"),
        ({"title": "q", "body": "b"}, r"its keys \(body, title\); set columns: \{instruction: KEY"),
        ({"text": "Once upon a time"}, r"text has no role marks .*set columns: \{instruction: text\}"),
    ],
)
def test_what_is_not_recognized_says_what_was_found_and_what_to_write(row, why):
    with pytest.raises(ValueError, match=why):
        read_row(row)


@pytest.mark.parametrize("nothing", ["<noinput>", "No input.", "N/A", "None", "<nooutput>", "无输入。", " "])
def test_words_for_nothing_are_nothing(nothing):
    assert read_row({"instruction": "Name a fish.", "input": nothing, "output": nothing}).input == ""
    assert read_row({"instruction": "Name a fish.", "input": nothing, "output": nothing}).reference is None
    assert read_row({"instruction": nothing or "x", "input": "a tuna", "output": "None of them"}).reference


@pytest.mark.parametrize(
    "text", ["Human: the story of our species", "Who is user: x?", "Explain Human:Assistant roles"]
)
def test_what_only_looks_like_a_role_mark_stays_a_question(text):
    assert read_row({"instruction": text}).instruction == text


def _planned(tmp_path, rows, name="a.jsonl"):
    (tmp_path / name).write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return list(input_rows(InstructionInput(path=str(tmp_path / name))))


def test_a_single_exchange_is_planned_as_ever_and_later_turns_make_another_id(tmp_path):
    one, two = _planned(tmp_path, [{"messages": OPENAI[:2]}, {"messages": OPENAI}])
    assert one.raw == json.dumps(
        {"instruction": TWO[0][0], "input": "", "reference": TWO[0][1], "task": None}, ensure_ascii=False
    )
    assert one.id == content_id("a", TWO[0][0], "") != two.id
    assert json.loads(two.raw)["turns"] == OPENAI


def test_a_file_is_told_in_one_line(tmp_path):
    rows = [
        {"id": 1, "messages": OPENAI},
        {"id": 2, "messages": OPENAI[:2]},
        {"question": "q", "answer": "a"},
        {"x": 1},
    ]
    _planned(tmp_path, rows)
    reports = []
    list(input_batches(InstructionInput(path=str(tmp_path / "a.jsonl")), None, 1, reports))
    assert str(reports[0]) == (
        "a.jsonl: JSON lines of 4 rows: 2 in OpenAI's layout of messages, 1 in the layout question/answer; `id` is not "
        "used; 1 conversation has several turns, of which stages.ingest.max_turns are used; 1 cannot be read"
    )


MESSAGE = st.dictionaries(
    st.sampled_from(["role", "from", "content", "value"]), st.sampled_from(["user", "gpt", None]) | st.text(max_size=3)
)
VALUES = st.none() | st.text(max_size=9) | st.integers() | st.lists(st.text(max_size=3) | MESSAGE, max_size=3)
KEYS = st.sampled_from(sorted({key for _, keys in _KNOWN_BY for key in keys} | {"history", "input", "class"}))


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_row_is_read_or_refused_with_a_reason(row):
    try:
        read = read_row(row)
    except ValueError as error:
        assert str(error)
        return
    assert isinstance(read.instruction, str) and (read.turns == () or len(read.turns) > 1)


def test_instances_that_are_a_number_are_a_malformed_row():
    with pytest.raises(ValueError, match="instances is the number 1, not a list of examples"):
        read_row({"instruction": "q", "instances": 1}, "alpaca-seed")
