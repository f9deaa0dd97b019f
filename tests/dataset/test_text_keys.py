"""Many texts at once have the keys and hashes that each has alone."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.dataset.dialogue_splits import text_key
from kespeechchat.dataset.text_keys import text_hashes, text_keys
from kespeechchat.seeds import stable_hash

_TEXTS = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.text(st.sampled_from("aZ9 ,.\n月，。Ａ！ßé\u0301\u1161가½ªµ\u2026_\U00020000"), max_size=12),
    ),
    max_size=8,
)


@given(_TEXTS)
def test_keys_are_those_of_single_texts(texts):
    assert text_keys(texts) == [text_key(text) for text in texts]
    expected = [stable_hash("text", text_key(text)) for text in texts]
    assert text_hashes(pa.array(texts, pa.string())).tolist() == expected


def test_every_character_alone_and_between_others():
    points = [point for point in range(0x11000) if not 0xD800 <= point < 0xE000]
    for frame in ("{}", "月{}好", "e{}\u0301"):
        texts = [frame.format(chr(point)) for point in points]
        assert text_keys(texts) == [text_key(text) for text in texts]
