"""An answer that only takes up the question says nothing; a short choice out of it does."""

from __future__ import annotations

import pytest

from kespeechchat.text.similarity import restates


@pytest.mark.parametrize(
    ("answer", "question", "language", "empty"),
    [
        (
            "加了十升油，每升油的价格是一点五元。",
            "汽车加了十升油，每升油的价格是一点五元，一共花了多少钱？",
            "zh",
            True,
        ),
        ("一共花了十五元。", "汽车加了十升油，每升油的价格是一点五元，一共花了多少钱？", "zh", False),
        ("Ten litres at two euros each.", "If I buy ten litres at two euros each, what do I pay?", "en", True),
        ("Cats.", "Do you like cats or dogs?", "en", False),
        ("球形铁块。", "立方体铁块和球形铁块，哪一个更容易沉？", "zh", False),
        ("art is one thing", "Which part is one thing?", "en", False),  # no piece in whole words
    ],
)
def test_a_piece_of_the_question_is_no_answer(answer, question, language, empty):
    assert restates(answer, question, language) is empty
