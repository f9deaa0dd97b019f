import time
from pathlib import Path

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.text.error_rate import Edits, characters, error_edits, pooled, syllable_edits, syllables
from kespeechchat.text.spelling import chinese_numbers, english_numbers

HERE = Path(__file__).parent
LANGUAGES = ("en", "zh")
WORDS = st.lists(st.sampled_from(["sun", "moon", "star", "cloud", "rain"]), max_size=12).map(" ".join)
HAN = st.text(st.sampled_from("天地人日月山水"), max_size=12)
PIECES = [
    *"0123456789.,:/%$£°-~' ",
    "1990s",
    "May 3",
    "Dr.",
    "AM",
    "NASA",
    "VIII",
    "kg",
    "it's",
    "hundred",
    "and ",
    "a ",
]
WRITTEN = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
WRITTEN_ZH = st.text(st.sampled_from("0123456789.,:/%¥-~年月日号点分元块万儿会两幺〇kgGDP "), max_size=14)
ANY = {"en": st.one_of(st.text(max_size=30), WRITTEN), "zh": st.one_of(st.text(max_size=30), WRITTEN_ZH)}
NUMBERS = st.integers(0, 10**7)


def pairs(kind: str) -> list[tuple[str, str, str]]:
    """Rows (language, reference, transcript) of the tables beside this file."""
    rows = []
    for language in LANGUAGES:
        lines = (HERE / f"{kind}.{language}.tsv").read_text("utf-8").splitlines()[1:]
        rows += [(language, *line.split("\t")) for line in lines]
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(("language", "reference", "transcript"), pairs("same_speech"))
def test_one_speech_in_two_spellings_has_no_error(language, reference, transcript):
    assert error_edits(reference, transcript, language).edits == 0
    assert error_edits(transcript, reference, language).edits == 0
    if language == "zh":
        assert syllable_edits(reference, transcript).edits == syllable_edits(transcript, reference).edits == 0


@pytest.mark.parametrize(("language", "reference", "transcript"), pairs("other_speech"))
def test_other_speech_has_errors(language, reference, transcript):
    assert error_edits(reference, transcript, language).edits > 0
    assert error_edits(transcript, reference, language).edits > 0


@settings(deadline=None)
@given(WORDS.filter(bool), WORDS)
def test_words_agree_with_jiwer(reference, hypothesis):
    assert error_edits(reference, hypothesis, "en").rate == pytest.approx(jiwer.wer(reference, hypothesis))


@settings(deadline=None)
@given(HAN.filter(bool), HAN)
def test_characters_agree_with_jiwer(reference, hypothesis):
    assert error_edits(reference, hypothesis, "zh").rate == pytest.approx(jiwer.cer(reference, hypothesis))


@settings(deadline=None)
@given(HAN, HAN)
def test_syllables_never_cost_more_without_tones(reference, hypothesis):
    assert syllable_edits(reference, hypothesis, tones=False).edits <= syllable_edits(reference, hypothesis).edits


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(LANGUAGES))
def test_a_text_is_itself_and_edits_are_symmetric_and_bounded(data, language):
    one, other = data.draw(ANY[language]), data.draw(ANY[language])
    assert error_edits(one, one, language).edits == 0
    found = error_edits(one, other, language)
    assert found.edits == error_edits(other, one, language).edits
    assert 0 <= found.edits <= max(found.units, error_edits(other, one, language).units)
    assert syllable_edits(one, one).edits == 0


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(LANGUAGES))
def test_a_spoken_text_between_two_others_costs_no_detour(data, language):
    """The triangle inequality holds where the text in the middle has one reading; a written one may change its mind."""
    one, other = data.draw(ANY[language]), data.draw(ANY[language])
    middle = data.draw(WORDS if language == "en" else HAN)
    there, on = error_edits(one, middle, language).edits, error_edits(middle, other, language).edits
    assert error_edits(one, other, language).edits <= there + on


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(LANGUAGES), NUMBERS, NUMBERS, st.booleans(), st.booleans())
def test_another_number_is_an_error_however_both_are_written(language, one, other, first_in_words, second_in_words):
    words = (english_numbers if language == "en" else chinese_numbers).cardinal
    frame = "we saw {} birds" if language == "en" else "我们看见{}只鸟"
    texts = [
        frame.format(words(n) if spelled else n) for n, spelled in ((one, first_in_words), (other, second_in_words))
    ]
    edits = error_edits(*texts, language).edits
    assert edits == 0 if one == other else edits > 0
    if language == "zh":
        assert (syllable_edits(*texts).edits == 0) == (one == other)


@pytest.mark.parametrize("numbers", [english_numbers, chinese_numbers])
def test_no_two_numbers_share_a_reading(numbers):
    seen: dict[str, int] = {}
    for number in [*range(12_000), *range(12_000, 2_000_000, 997)]:
        short = chinese_numbers.short(str(number)) if numbers is chinese_numbers else ()
        for reading in (*numbers.integer(str(number)), *numbers.quantity(str(number)), *short):
            assert seen.setdefault(reading, number) == number, reading


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(LANGUAGES), st.tuples(*[st.integers(0, 59)] * 4))
def test_no_two_clock_times_are_one(language, times):
    hour, minute, other_hour, other_minute = times[0] % 24, times[1], times[2] % 24, times[3]
    frame = "be there at {}:{:02d} sharp" if language == "en" else "我们{}:{:02d}开会"
    one, other = frame.format(hour, minute), frame.format(other_hour, other_minute)
    same = (hour, minute) == (other_hour, other_minute)
    assert (error_edits(one, other, language).edits == 0) == same


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_many_numbers_take_bounded_time(language):
    numbers = [(n * 7919) % 10_000 for n in range(200)]
    one, other = " , ".join(map(str, numbers)), " , ".join(str(n + 1) for n in numbers)
    module = english_numbers if language == "en" else chinese_numbers
    spoken = " ".join(module.integer(str(n))[-1] for n in numbers)
    began = time.perf_counter()
    assert error_edits(one, spoken, language).edits == 0
    assert error_edits(one, other, language).edits >= 100
    assert error_edits("1/2-3:45%" * 2000, "9 kg, $5 " * 2000, language).edits > 0
    assert time.perf_counter() - began < 10


def test_units_are_those_of_the_likeliest_reading_whatever_was_heard():
    heard = ["one hundred twenty", "one twenty", "nothing at all like it", ""]
    assert {error_edits("120", h, "en").units for h in heard} == {3}
    assert [error_edits("120", h, "en").edits for h in heard] == [0, 0, 5, 2]


@given(st.lists(st.builds(Edits, st.integers(0, 50), st.integers(0, 50))))
def test_pooling_does_not_depend_on_order_or_grouping(parts):
    assert pooled(parts) == pooled(parts[::-1]) == pooled([sum(parts, start=Edits(0, 0))])


def test_pooling_weighs_by_length():
    assert pooled([Edits(1, 2), Edits(0, 98)]) == 0.01
    assert pooled([]) == 0.0


@pytest.mark.parametrize(("hypothesis", "edits", "rate"), [("", 0, 0.0), ("天地人", 3, 3.0), ("。", 0, 0.0)])
def test_an_empty_reference_counts_insertions(hypothesis, edits, rate):
    found = error_edits("！", hypothesis, "zh")
    assert found == Edits(edits, 0) and found.rate == rate


def test_an_empty_transcript_loses_every_unit():
    assert error_edits("今天很好", "", "zh") == Edits(4, 4)
    assert error_edits("it's fine", "", "en").units == 3


def test_homophones_are_characters_wrong_and_syllables_right():
    assert error_edits("他在学习", "她再学习", "zh") == Edits(2, 4)
    assert syllable_edits("他在学习", "她再学习") == Edits(0, 4)


def test_tones_tell_syllables_apart():
    assert syllable_edits("买东西", "卖东西").edits == 1
    assert syllable_edits("买东西", "卖东西", tones=False).edits == 0


def test_syllables_read_numbers_in_context_and_keep_latin_words():
    assert syllables("我听音乐，学 Python 3") == ["wo3", "ting1", "yin1", "yue4", "xue2", "python", "san1"]


@pytest.mark.parametrize(
    "word", ["銀行/银行", "音樂/音乐", "重慶/重庆", "睡覺/睡觉", "長大/长大", "還錢/还钱", "頭髮/头发"]
)
def test_traditional_characters_are_read_as_simplified_ones(word):
    traditional, simplified = word.split("/")
    assert syllables(traditional) == syllables(simplified)


def test_speaking_rates_count_letters_alone():
    assert characters("He'd go.", "en") == 5
    assert characters("3:30 开会", "zh") == characters("三点三十分开会", "zh")
