"""What texts say: a table of cases per language, texts that must stay in doubt, and laws that hold for any text."""

from __future__ import annotations

import csv
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.text.han import simplified
from kespeechchat.text.readings import read, spoken_text
from kespeechchat.text.readings.numbers_en import cardinal as cardinal_en
from kespeechchat.text.readings.numbers_zh import cardinal as cardinal_zh
from kespeechchat.text.speakability import problems, speakable

HERE = Path(__file__).parent / "readings"
LANGUAGES = st.sampled_from(["zh", "en"])


def _table(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


CASES = [(language, row) for language in ("en", "zh") for row in _table(f"{language}.tsv")]
DOUBTFUL = _table("doubtful.tsv")
# Fragments that texts are put together from: hypothesis finds the neighbours that no table thought of.
PIECES = {
    "en": "at in the of 3 10:30 1990s 1990 5-3 $5 50% 1/2 No. Dr. St. a.m. km kg °C 555-1234 A4 5G x = + - . "
    ", ? \" ' people score May II 2021-05-03 #1 ½ & vs. 007 1,200 12345 24/7 years",
    "zh": "在 的 3 10:30 1990年 90后 5-3 $5 50% 1/2 No. 个 年 月 日 kg ℃ 13812345678 A4 5G x = + - "
    '。 ， ？ " 比分 比例 第 2 '
    "2021-05-03 ½ 110 1,200 12345 24/7 億 萬",
}


def _texts(language: str) -> st.SearchStrategy[str]:
    pieces = st.lists(st.sampled_from(PIECES[language].split()), max_size=8)
    return st.builds(lambda parts, space: space.join(parts), pieces, st.sampled_from(["", " "]))


ANY = LANGUAGES.flatmap(lambda lang: st.tuples(st.just(lang), st.one_of(_texts(lang), st.text(max_size=40))))


def test_the_tables_are_as_large_as_they_should_be():
    assert len(CASES) >= 200
    assert len({(language, row["written"]) for language, row in CASES}) == len(CASES)


@pytest.mark.parametrize(("language", "row"), CASES, ids=lambda v: v["written"] if isinstance(v, dict) else v)
def test_what_a_text_says(language, row):
    assert spoken_text(row["written"], language) == row["spoken"]
    assert not read(row["written"], language).doubtful
    assert not {"digit", "ambiguous_number"} & set(problems(row["spoken"], language))


@pytest.mark.parametrize("row", DOUBTFUL, ids=lambda row: row["written"])
def test_what_the_sentence_does_not_decide_is_refused(row):
    language = row["language"]
    spoken = spoken_text(row["written"], language)
    assert spoken == read(row["written"], language).written
    assert speakable(spoken, language) is not None
    assert "ambiguous_number" in problems(spoken, language)


def test_every_kind_is_in_the_tables():
    kinds = {row["kind"] for _, row in CASES}
    assert kinds >= {
        "score", "ratio", "range", "decade", "year", "telephone", "unit", "ordinal", "abbreviation", "money", "date",
        "clock", "fraction", "percent", "address", "idiom", "traditional", "latin",
    }  # fmt: skip


def test_a_number_that_only_waits_for_its_words_is_no_ambiguous_one():
    assert "ambiguous_number" not in problems("一共有3只猫。", "zh")
    assert "digit" in problems("一共有3只猫。", "zh")


@pytest.mark.slow
@given(ANY)
@settings(max_examples=400, deadline=None)
def test_no_figure_is_left_but_a_doubtful_one(case):
    language, text = case
    reading = read(text, language)
    left = bool(re.search("[0-9]", reading.text))
    assert left <= bool(reading.doubtful)


@pytest.mark.slow
@given(ANY)
@settings(max_examples=400, deadline=None)
def test_what_is_read_is_read_once(case):
    language, text = case
    spoken = spoken_text(text, language)
    assert spoken_text(spoken, language) == spoken


@pytest.mark.slow
@given(ANY)
@settings(max_examples=200, deadline=None)
def test_forms_are_in_order_and_do_not_overlap(case):
    language, text = case
    forms = read(text, language).forms
    assert all(a.end <= b.start for a, b in pairwise(forms))
    assert all(form.start < form.end for form in forms)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz ,;:!?'-", max_size=60))
def test_english_without_written_forms_is_not_touched(text):
    assert spoken_text(text, "en") == text


@given(st.text(alphabet="我们在这里说话天气很好，。！？、：；“”《》的一二三百", max_size=60))
def test_chinese_without_written_forms_is_not_touched(text):
    assert spoken_text(text, "zh") == text


@given(st.integers(0, 10**9), LANGUAGES)
@settings(max_examples=60, deadline=None)
def test_any_whole_number_of_things_can_be_said(n, language):
    text = f"一共有{n}个人。" if language == "zh" else f"There are {n} people."
    assert speakable(spoken_text(text, language), language) is None


@pytest.mark.slow
@given(st.integers(0, 10**8 - 1))
@settings(max_examples=60, deadline=None)
def test_number_words_agree_with_a_library_of_them(n):
    """wetext is right for a number with its commas and its measure word; it leaves out some of the ands."""
    from wetext import Normalizer

    theirs = _normalizer("en", Normalizer).normalize(f"{n} people")
    if not 1000 <= n < 10_000:  # it reads those as years
        assert cardinal_en(n).replace(" and ", " ") == theirs.removesuffix(" people").replace(" and ", " ")
    theirs = _normalizer("zh", Normalizer).normalize(f"有{n}个")[1:-1]
    assert cardinal_zh(n).replace("两", "二") == theirs.replace("两", "二")


_LIBRARY: dict[str, object] = {}


def _normalizer(language, make):
    return _LIBRARY.setdefault(language, make(lang=language, operator="tn"))


@pytest.mark.parametrize(
    ("traditional", "simple"),
    [("他在圖書館讀書", "他在图书馆读书"), ("著名的作家看著我", "著名的作家看着我"), ("這是甚麼", "这是什么")],
)
def test_traditional_characters_become_simplified_ones(traditional, simple):
    assert simplified(traditional) == simple


@pytest.mark.parametrize("text", ["乾坤大挪移", "瞭望塔", "显著的进步", "皇后在后面", "头发发芽了", "a cat"])
def test_simplified_text_is_not_touched(text):
    assert simplified(text) == text
