"""What two splits share is found, whoever counted it and in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.dataset.overlaps import OverlapCheck


def test_overlaps_of_every_kind():
    check = OverlapCheck()
    check.add("train", "SPK1", ["How are you?"], "d1")
    check.add("train", "SPK2", ["Fine."], "d2")
    check.add("test", "SPK3", ["how are you"], "d3")
    check.add("dev", "SPK2", ["Something else"], "d4")
    found = check.overlaps({"SPK1": ["a", "b"], "SPK2": ["c", "d"], "SPK3": ["b", "e"]})
    assert {(o.kind, o.splits, o.examples) for o in found} == {
        ("text", ("test", "train"), ("d3",)),
        ("parent", ("test", "train"), ("b",)),
        ("voice", ("dev", "train"), ("SPK2",)),
        ("parent", ("dev", "train"), ("c", "d")),
    }


def test_disjoint_splits_share_nothing():
    check = OverlapCheck()
    check.add("train", "SPK1", ["one"], "d1")
    check.add("test", "SPK2", ["two"], "d2")
    assert check.overlaps({"SPK1": ["a", "b"], "SPK2": ["c", "d"]}) == []


@given(st.lists(st.tuples(st.sampled_from(["train", "dev", "test"]), st.integers(0, 3), st.sampled_from("abcd"))))
def test_overlaps_do_not_depend_on_order_or_division(draws):
    parents = {f"SPK{i}": [f"p{i}", f"p{i + 1}"] for i in range(4)}
    whole, parts = OverlapCheck(), [OverlapCheck(), OverlapCheck()]
    for i, (split, voice, text) in enumerate(draws):
        for check in (whole, parts[i % 2]):
            check.add(split, f"SPK{voice}", [text], f"d{i}")
    parts[1].merge(parts[0])
    assert parts[1].overlaps(parents) == whole.overlaps(parents)
