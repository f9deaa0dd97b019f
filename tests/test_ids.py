"""The grammar of ids: what is put on can be taken off, and nothing else is."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from kespeechchat import ids

TEXTS = st.text(max_size=30)


@given(TEXTS, TEXTS, st.integers(1, 99), st.integers(1, 9))
def test_suffixes_come_off_as_they_went_on(name: str, text: str, nth: int, count: int) -> None:
    id_ = ids.content_id(ids.source_of(name), text)
    again = ids.appearance(id_, nth)
    assert ids.first_appearance(again) == id_ and ids.parent(again) == again
    made = ids.variants(again, count)
    assert len(set(made)) == count and {ids.parent(v) for v in made} == {again}


@given(TEXTS, TEXTS)
def test_an_id_is_of_its_normalized_content(text: str, other: str) -> None:
    assert ids.content_id("a", f"  {text}\n ", other) == ids.content_id("a", text, other)
    assert (ids.content_id("a", text) == ids.content_id("a", other)) == (
        ids._composed(text).split() == ids._composed(other).split()
    )


MARKS = st.text("a \0\x1f\u3000，？！：；（）…①㎡ﬁe\u0301\u0338가\ud83d", max_size=12)


@given(st.lists(st.tuples(TEXTS | MARKS, TEXTS | MARKS), min_size=1, max_size=9))
def test_ids_of_many_rows_are_those_of_each(rows: list[tuple[str, str]]) -> None:
    one, other = map(list, zip(*rows, strict=True))
    assert ids.content_ids("a_b", one, other).to_pylist() == [ids.content_id("a_b", *row) for row in rows]


@given(TEXTS)
def test_a_source_fits_any_path(name: str) -> None:
    source = ids.source_of(name)
    assert source.isascii() and source.replace("_", "a").isalnum() and len(source) <= ids.SOURCE


def test_the_examples_hold() -> None:
    assert doctest.testmod(ids).failed == 0
