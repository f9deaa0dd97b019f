"""A release, over all data that may follow it: nothing leaves, what joins is under the cut, new voices are covered."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.dataset.partitions import apply_cuts, cut_partitions, rank
from kespeechchat.dataset.releases import Release, compare
from tests.dataset.test_partitions import FRACTIONS, collect, many, members


def frozen(rows) -> Release:
    release = Release.of("v1", cut_partitions(collect(rows), FRACTIONS))
    return Release.from_json(json.loads(json.dumps(release.to_json())))


@given(many, st.integers(0, 60))
def test_later_data_leaves_each_released_partition_a_superset(rows, later):
    old, release = rows[: max(1, len(rows) - later)], frozen(rows[: max(1, len(rows) - later)])
    before = members(release.cuts, old)
    after = apply_cuts(release.cuts, collect(rows))
    now = members(after.cuts, rows)
    added = {r.id for r in rows} - {r.id for r in old}
    for name in release.cuts.names:
        assert before[name] == members(cut_partitions(collect(old), FRACTIONS).cuts, old)[name]
        assert now[name] - before[name] <= added
        assert before[name] <= now[name]
        for r in rows:
            joins = r.id in now[name] - before[name]
            covers = rank(r.id, 1) in {after.cuts.first[r.user], after.cuts.first[r.agent]}
            under = rank(r.id, 1) <= release.cuts.cuts[name].get(r.language, -1)
            assert not joins or under or covers
        voices = {v for r in rows for v in (r.user, r.agent)}
        assert {v for r in rows if r.id in now[name] for v in (r.user, r.agent)} == voices


@given(many, st.integers(0, 60))
def test_comparing_counts_what_joined(rows, later):
    old = rows[: max(1, len(rows) - later)]
    release = frozen(old)
    recut = cut_partitions(collect(rows), FRACTIONS)
    changes = compare(release, apply_cuts(release.cuts, collect(rows)), recut)
    if len(old) == len(rows):
        assert changes == []
    before, now = members(release.cuts, old), members(apply_cuts(release.cuts, collect(rows)).cuts, rows)
    for change in changes:
        of = {r.id for r in rows if r.language == change.language}
        assert change.released == len(before[change.partition] & of)
        assert change.now == len(now[change.partition] & of)
        assert change.recut == recut.contents[change.partition].dialogues.get(change.language, 0)
    changed = {c.partition for c in changes}
    assert all(before[n] == now[n] for n in release.cuts.names if n not in changed)


@given(many)
def test_a_lost_dialogue_is_told(rows):
    release = frozen(rows)
    changes = compare(
        release, apply_cuts(release.cuts, collect(rows[1:])), cut_partitions(collect(rows[1:]), FRACTIONS)
    )
    assert any("GONE" in str(c) for c in changes if c.partition == "XL")


@pytest.mark.parametrize("name", ["", "../v1", "a/b", ".v1", "v1.", "v..1", "a" * 65, "v 1"])
def test_names_that_are_no_files(name):
    with pytest.raises(ValueError, match="release"):
        Release.of(name, cut_partitions(collect([]), FRACTIONS))
