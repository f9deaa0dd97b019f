"""Text and transcript, aligned for the eye."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.listening.differences import differences


def _marked(*of) -> list[tuple[str, str]]:
    return [(p.written, p.heard) for p in differences(*of) if p.kind != "same"]


@pytest.mark.parametrize(
    ("written", "heard", "language", "metric", "marked"),
    [
        ("How far is the moon?", "how far is the moon", "en", "WER", []),
        ("Bees carry pollen, often.", "Bees carry Poland often", "en", "WER", [("pollen", "Poland")]),
        ("It is hot here.", "It is here.", "en", "WER", [("hot ", "")]),
        ("It is here.", "It is not here.", "en", "WER", [("", "not ")]),
        ("为什么秋天树叶会变黄？", "為什麼秋天樹也會變黃?", "zh", "CER", [("叶", "也")]),  # the script is none
        ("他在再现。", "她在在現", "zh", "SER", []),  # a homophone is none, in syllables
        ("他在再现。", "她在在現", "zh", "CER", [("他", "她"), ("再", "在")]),
        ("我学 Python 编程", "我学python编程", "zh", "SER", []),
    ],
)
def test_only_what_was_heard_otherwise_is_marked(written, heard, language, metric, marked) -> None:
    found = [(w.strip(), h.strip()) for w, h in _marked(written, heard, language, metric)]
    assert found == [(w.strip(), h.strip()) for w, h in marked]


def test_a_turn_without_an_error_has_no_difference() -> None:
    """Nine a.m. and 9 AM are one speech: the error rate knows, and this is told of it."""
    assert _marked("It opens at 9 AM.", "It opens at nine a.m.", "en", "WER")
    assert not _marked("It opens at 9 AM.", "It opens at nine a.m.", "en", "WER", 0.0)


_TEXTS = st.text(st.sampled_from("ab é1.,?'<&> 的了銀行一\n"), max_size=30)


@given(_TEXTS, _TEXTS, st.sampled_from(["en", "zh"]), st.sampled_from(["WER", "CER", "SER", None]))
def test_the_pieces_are_the_texts(written, heard, language, metric) -> None:
    found = differences(written, heard, language, metric)
    assert "".join(p.written for p in found) == written and "".join(p.heard for p in found) == heard
    assert all(p.kind != "missing" or not p.heard for p in found)
    assert all(p.kind != "added" or not p.written for p in found)
