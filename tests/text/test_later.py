"""Why the answer to a later question cannot be used."""

from __future__ import annotations

import pytest

from kespeechchat.text.compose import Dialogue
from kespeechchat.text.later import judge_later_answer
from tests.text.test_compose import prompt

BEFORE = (Dialogue("What does one litre of oil cost?", "A litre costs two euros here."),)
ASKED = "And if I buy ten litres at two euros each today, what do I pay?"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("You pay twenty euros for that.", None),
        ("A litre costs two euros here.", "said_before"),
        ("I buy ten litres at two euros each.", "echo"),
        ("And if I buy ten litres at two euros each today, what do I pay.", "echo"),
        ("How many do you want to buy?", "question_back"),
        (None, "malformed"),
    ],
)
def test_what_is_wrong_with_a_later_answer(answer, reason):
    assert judge_later_answer(answer, ASKED, None, BEFORE, prompt("spoken-later", "en")) == reason
