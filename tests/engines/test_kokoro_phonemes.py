"""Kokoro's front end: mixed scripts, empty texts, and cutting at pauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.engines.tts.kokoro_phonemes import LIMIT, Phonemizer, pieces


@pytest.fixture(scope="module")
def phonemizer():
    return Phonemizer()


def test_english(phonemizer):
    spoken = phonemizer.phonemes("Hello, world.", "en")
    assert spoken.startswith("həlˈoʊ,") and spoken.endswith(".")
    ids = phonemizer.ids(spoken)
    assert len(ids) == len(spoken) and all(0 < i < 178 for i in ids)


@pytest.mark.slow
def test_an_english_word_in_chinese_is_read_as_english(phonemizer):
    mixed = phonemizer.phonemes("我喜欢music，你呢？", "zh")
    assert "mjˈuːzɪk" in mixed
    assert "wo↓" in mixed


def test_foreign_words_leave_no_language_flags(phonemizer):
    spoken = phonemizer.phonemes("We had déjà vu and a croissant, señor, über alles.", "en")
    assert "(" not in spoken and ")" not in spoken


def test_chinese_in_an_english_sentence_is_read_as_chinese(phonemizer):
    assert "ni↓" in phonemizer.phonemes("In Chinese we say 你好 to greet.", "en")


@pytest.mark.parametrize(
    ("traditional", "simple"), [("我去銀行聽音樂。", "我去银行听音乐。"), ("他在重慶睡覺。", "他在重庆睡觉。")]
)
def test_traditional_characters_are_read_as_simplified_ones(phonemizer, traditional, simple):
    assert phonemizer.phonemes(traditional, "zh") == phonemizer.phonemes(simple, "zh") != ""


@pytest.mark.parametrize("text", ["", "   ", "…", "!?", "——", "\n"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_to_speak(phonemizer, text, language):
    assert phonemizer.phonemes(text, language) == ""


@given(text=st.text(st.sampled_from("abc XYZ你好吗，。！,.;'’-3%😀\n（）“”①"), max_size=60))
def test_any_text_gives_only_symbols_of_the_model(text):
    phonemizer = _shared()
    for language in ("zh", "en"):
        phonemizer.ids(phonemizer.phonemes(text, language))  # a KeyError would be a symbol the model lacks


@given(text=st.text(st.sampled_from("abcde ,.;!?"), max_size=300), limit=st.integers(5, 60))
def test_pieces_keep_every_symbol_in_order_and_the_limit(text, limit):
    parts = pieces(text, limit)
    assert all(0 < len(p) <= limit for p in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_pieces_are_cut_after_sentences_first():
    assert pieces("aaa bbb. ccc, ddd. eee.", 18) == ["aaa bbb. ccc, ddd.", "eee."]
    assert pieces("aaa bbb, ccc ddd", 9) == ["aaa bbb,", "ccc ddd"]
    assert pieces("a" * 12, 5) == ["aaaaa", "aaaaa", "aa"]


def test_short_text_is_one_piece():
    assert pieces("a" * LIMIT) == ["a" * LIMIT]


_SHARED: list[Phonemizer] = []


def _shared() -> Phonemizer:
    if not _SHARED:
        _SHARED.append(Phonemizer())
    return _SHARED[0]
