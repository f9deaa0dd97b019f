import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kespeechchat.text.error_rate import error_edits
from kespeechchat.text.normalize import normalize, segments

SIGNS = st.text(st.sampled_from("0123456789.,:/%$£°-~ 年月日号点第两幺〇著塊人abcIVkm'’'"), max_size=16)
PIECES = ["1990s", "May 3", "Dr.", "AM", "NASA", "VIII", "kg", "it's", "100", "hundred", " and ", "a ", "oh", " 5", "-"]
WRITTEN = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | SIGNS
ANY = st.one_of(st.text(max_size=40), WRITTEN)


@settings(max_examples=400, deadline=None)
@given(ANY, st.sampled_from(["zh", "en"]))
@example("İ", "en")
@example("\ud800 5", "zh")
@example("½ ① Ⅳ ㎏", "zh")
def test_total_and_idempotent(text, language):
    once = normalize(text, language)
    assert normalize(once, language) == once
    assert once == once.strip() and "  " not in once
    assert not any(c in once for c in "0123456789,.!?，。！？")


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("3月15号下午2:30开会", "三月十五号下午两点半开会"),
        ("他花了60,000塊錢。", "他花了六万块钱"),
        ("涨了3.5%", "涨了百分之三点五"),
        ("电话是13812345678", "电话是一三八一二三四五六七八"),
        ("第2名，有２００人", "第二名有两百人"),
        ("2024年5月1日", "二零二四年五月一日"),
        ("她看著我，著名的書", "她看着我著名的书"),
        ("甚麼 時候 開 會？", "什么时候开会"),
        ("我在学 Python，很有趣", "我在学python很有趣"),
    ],
)
def test_chinese_as_spoken(written, spoken):
    assert error_edits(written, spoken, "zh").edits == 0


def test_chinese_keeps_spaces_between_latin_words_only():
    assert normalize("用 Google  Maps 找 路", "zh") == "用google maps找路"


def test_chinese_keeps_homophones_apart():
    assert normalize("他在这里", "zh") != normalize("她在这里", "zh")


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("On March 15, it's $3.50.", "on the fifteenth of March it is three dollars and fifty cents"),
        ("105 people in the 1990s", "one hundred and five people in the nineteen nineties"),
        ("I can’t realise my favourite colours", "I cannot realize my favorite colors"),
        ("We travelled 3.5 km to the theatre", "we traveled three point five kilometers to the theater"),
        ("a ten-year-old", "a 10 year old"),
        ("Let's go, they're here; John's won", "let us go they are here Johns won"),
        ("It costs 1,000,000!", "it costs one million"),
        ("$3.50, twenty-five", "three dollars and fifty cents twenty five"),
        ("Okay, I'm gonna go", "ok I am going to go"),
    ],
)
def test_english_as_spoken(written, spoken):
    assert error_edits(written, spoken, "en").edits == 0


@pytest.mark.parametrize(
    "word", ["our", "hour", "four", "wise", "promise", "exercise", "advertise", "are", "tired", "well"]
)
def test_other_english_words_are_left_alone(word):
    assert normalize(word, "en") == word


@settings(max_examples=200, deadline=None)
@given(ANY, st.sampled_from(["zh", "en"]))
def test_every_reading_is_in_words(text, language):
    for segment in segments(text, language):
        assert len(set(segment)) == len(segment) > 0
        assert not any(c in reading for reading in segment for c in "0123456789,.!?，。！？$%")


def test_unknown_language():
    with pytest.raises(ValueError, match="'ja'"):
        normalize("x", "ja")
