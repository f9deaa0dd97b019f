import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.text.error_rate import Edits, cer, error_edits, pooled, syllable_edits, syllables

WORDS = st.lists(st.sampled_from(["sun", "moon", "star", "cloud", "rain"]), max_size=12).map(" ".join)
HAN = st.text(st.sampled_from("天地人日月山水"), max_size=12)


@settings(deadline=None)
@given(WORDS.filter(bool), WORDS)
def test_words_agree_with_jiwer(reference, hypothesis):
    assert error_edits(reference, hypothesis, "en").rate == pytest.approx(jiwer.wer(reference, hypothesis))


@settings(deadline=None)
@given(HAN.filter(bool), HAN)
def test_characters_agree_with_jiwer(reference, hypothesis):
    assert error_edits(reference, hypothesis, "zh").rate == pytest.approx(jiwer.cer(reference, hypothesis))
    assert cer(reference, hypothesis, "zh") == error_edits(reference, hypothesis, "zh").rate


@settings(deadline=None)
@given(HAN, HAN)
def test_syllables_never_cost_more_without_tones(reference, hypothesis):
    assert syllable_edits(reference, hypothesis, tones=False).edits <= syllable_edits(reference, hypothesis).edits


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
    assert error_edits("it's fine", "", "en") == Edits(3, 3)


def test_homophones_are_characters_wrong_and_syllables_right():
    assert error_edits("他在学习", "她再学习", "zh") == Edits(2, 4)
    assert syllable_edits("他在学习", "她再学习") == Edits(0, 4)


def test_tones_tell_syllables_apart():
    assert syllable_edits("买东西", "卖东西").edits == 1
    assert syllable_edits("买东西", "卖东西", tones=False).edits == 0


def test_syllables_read_numbers_in_context_and_keep_latin_words():
    assert syllables("我听音乐，学 Python 3") == ["wo3", "ting1", "yin1", "yue4", "xue2", "python", "san1"]
