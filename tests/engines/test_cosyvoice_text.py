"""Pieces of a long text: nothing lost, nothing too long, cut where a speaker would breathe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.engines.tts.cosyvoice_text import pieces, speakable

SPEECH = st.text(alphabet=st.sampled_from("ab天气 ，。,.!？\n…”"), max_size=120)


@given(text=SPEECH, limit=st.integers(4, 40))
def test_nothing_is_lost_and_nothing_is_too_long(text, limit):
    cut = pieces(text, len, limit)
    assert "".join(c for p in cut for c in p if c.isalnum()) == "".join(c for c in text if c.isalnum())
    assert all(speakable(p) and p == p.strip() for p in cut)
    assert all(len(p) <= limit for p in cut[:-1])
    assert not cut or len(cut[-1]) < limit + max(1, limit // 4)


@given(text=SPEECH)
def test_a_text_within_the_limit_stays_whole(text):
    assert pieces(text, len, 200) == ([text.strip()] if speakable(text) else [])


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("今天很好。明天更好！后天呢？", 6, ["今天很好。", "明天更好！", "后天呢？"]),
        ("今天很好。明天更好！后天呢？", 10, ["今天很好。明天更好！", "后天呢？"]),
        ("It costs 3.5 euros. Take it.", 22, ["It costs 3.5 euros.", "Take it."]),
        (
            "他说：“好的。”然后走了，没有回头，也没有说再见。",
            9,
            ["他说：“好的。”", "然后走了，", "没有回头，", "也没有说再见。"],
        ),
        ("one two three four", 9, ["one two", "three", "four"]),
        ("天" * 10, 4, ["天天", "天天天", "天天", "天天天"]),
        ("今天天气很好啊。好", 8, ["今天天气很好啊。好"]),
    ],
)
def test_cuts(text, limit, cut):
    assert pieces(text, len, limit) == cut
