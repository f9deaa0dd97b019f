"""Words of a document, and the spans drawn of them: laws that hold of any text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.text.interleaving.spans import draw, poisson
from kespeechchat.text.interleaving.words import paragraphs
from kespeechchat.text.speakability import speakable

_WORDS = [
    "sea",
    "Dr. Smith",
    "$3.50",
    "the",
    "1990s",
    "well-known",
    "Paris,",
    "银行",
    "在2024年，",
    "行走。",
    "列夫·托尔斯泰",
]
_WORDS += [
    "<b>",
    "x=3",
    "https://a.org/b",
    "“yes”",
    "—",
    "5 kg",
    "NASA",
    "你好！",
    "\n",
    "\n\n",
    "*bold*",
    "№",
    "й",
    "(no)",
]
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from(_WORDS), max_size=120).map(" ".join),
    st.lists(st.sampled_from(_WORDS), max_size=60).map("".join),
)


def _written(text: str) -> list[str]:
    return [text[word.start : word.end] for words in paragraphs(text) for word in words]


@given(TEXTS)
def test_words_and_white_space_are_the_document(text: str) -> None:
    at, rebuilt = 0, []
    for words in paragraphs(text):
        for word in words:
            between = text[at : word.start]
            assert at <= word.start < word.end and not between.strip()
            rebuilt += [between, text[word.start : word.end]]
            at = word.end
    assert not text[at:].strip() and "".join([*rebuilt, text[at:]]) == text


@given(TEXTS, st.floats(0.05, 0.9), st.floats(1, 15), st.integers(0, 99))
def test_spans_lie_apart_in_one_line_and_can_be_said(text: str, ratio: float, mean: float, seed: int) -> None:
    found = paragraphs(text)
    drawn = draw(text, found, ratio, mean, seed)
    starts = {word.start: n for n, word in enumerate(w for words in found for w in words)}
    ends = {word.end: n for n, word in enumerate(w for words in found for w in words)}
    before = -2
    for span in drawn.spans:
        first, last = starts[span.start], ends[span.end]  # whole words: a KeyError otherwise
        assert first > before + 1 or before == -2, "two spans without a word between"
        assert last - first + 1 == span.words and "\n" not in text[span.start : span.end]
        assert speakable(span.said, span.language) is None
        before = last
    assert draw(text, found, ratio, mean, seed) == drawn


@given(st.integers(2, 400), st.floats(0.05, 0.9), st.integers(0, 999))
def test_spans_are_drawn_until_they_hold_the_share(count: int, ratio: float, seed: int) -> None:
    text = " ".join(["sea"] * count)
    spans = draw(text, paragraphs(text), ratio, 3, seed).spans
    lengths = [span.words for span in spans]
    assert sum(lengths) < count, "a word of text is left"
    apart = count - sum(lengths) <= 3 * len(lengths)  # where spans fill the text no place is left for another
    assert sum(lengths) >= ratio * count or sum(lengths) == count - 1 or apart
    assert sum(lengths) - max(lengths) < ratio * count, "no more are drawn than that"


def test_lengths_are_of_the_poisson_distribution() -> None:
    text = " ".join(["sea"] * 20_000)
    lengths = [span.words for span in draw(text, paragraphs(text), 0.3, 10, "seed").spans]
    assert 0.3 <= sum(lengths) / 20_000 < 0.302
    mean = sum(lengths) / len(lengths)
    variance = sum((n - mean) ** 2 for n in lengths) / len(lengths)
    error = math.sqrt(10 / len(lengths))
    assert abs(mean - 10) < 4 * error and 7.5 < variance < 12.5
    assert len(lengths) > 500


def test_places_are_uniform() -> None:
    text = " ".join(["sea"] * 100)
    found = paragraphs(text)
    places = [draw(text, found, 0.01, 1, seed).spans[0].start / len(text) for seed in range(600)]
    assert abs(sum(places) / 600 - 0.5) < 0.05
    assert all(sum(a <= p < a + 0.25 for p in places) > 110 for a in (0, 0.25, 0.5)), "150 of each quarter expected"


@given(st.floats(0, 0.999999), st.floats(1, 50))
def test_a_quantile_rises(uniform: float, mean: float) -> None:
    assert 0 <= poisson(mean, uniform) <= poisson(mean, min(0.999999, uniform + 0.1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It costs $3.50 today.", ["It", "costs", "$3.50", "today."]),
        ("He met Dr. Smith in New York City.", ["He", "met", "Dr. Smith", "in", "New York City."]),
        ("共9个苹果", ["共", "9个", "苹果"]),
        ("列夫·托尔斯泰写的书", ["列夫·托尔斯泰", "写", "的", "书"]),
        ("我去银行。", ["我", "去", "银行。"]),
        ("“你好”，他说", ["“你好”，", "他", "说"]),
        ("1998年的夏天", ["1998年", "的", "夏天"]),
        ("5 kg of flour — white", ["5 kg", "of", "flour —", "white"]),
    ],
)
def test_what_is_read_whole_is_one_word(text: str, words: list[str]) -> None:
    assert _written(text) == words


@pytest.mark.parametrize(
    "text",
    ["```\ndrop table users now\n```", "`rm`", "https://a.org/x", "<div class=a>", "a@b.org", "й ц у", "| a", ""],
)
def test_no_voice_says_markup(text: str) -> None:
    said = [word.said for words in paragraphs(text) for word in words if text[word.start : word.end] != "a"]
    assert said == [None] * len(said)


def test_a_number_is_said_as_its_sentence_reads_it() -> None:
    text = "Music of the 1990s is loved by people all over the world."
    (span,) = draw(text, paragraphs(text), 0.9, 40, 0).spans
    assert "nineteen nineties" in span.said and "1990" not in span.said


@pytest.mark.slow
@pytest.mark.parametrize("text", ["好" * 1_000_000, "a" * 1_000_000, "12" * 200_000, "sea " * 250_000])
def test_a_line_without_an_end_is_read_in_parts(text: str) -> None:
    words = [word for part in paragraphs(text) for word in part]
    assert words[0].start == 0 and words[-1].end == len(text.rstrip())
