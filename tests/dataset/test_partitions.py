from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.blocks import Codes
from kespeechchat.config.dataset import PartitionSettings, PartitionSize
from kespeechchat.dataset.partitions import Cuts, TrainingDialogues, apply_cuts, cut_partitions, ranks_of

FRACTIONS = PartitionSettings(
    sizes={
        n: PartitionSize(fraction=f)
        for n, f in zip(("XS", "S", "M", "L", "XL"), (1 / 40, 0.1, 0.25, 0.5, 1), strict=True)
    }
)


@dataclass(frozen=True)
class Row:
    id: str
    language: str
    user: str
    agent: str
    seconds: float


def rows_of(draws: list[tuple[bool, int, float]]) -> list[Row]:
    return [
        Row(f"d{i}", "zh" if zh else "en", f"SPK{voice}", f"agent{i % 2}", seconds)
        for i, (zh, voice, seconds) in enumerate(draws)
    ]


many = st.lists(
    st.tuples(st.booleans(), st.integers(0, 8), st.floats(0.5, 60, width=32)), min_size=1, max_size=150
).map(rows_of)


def collect(rows: list[Row], seed: int = 1) -> TrainingDialogues:
    dialogues = TrainingDialogues(seed)
    for r in rows:
        dialogues.add(r.id, r.language, r.user, r.agent, r.seconds)
    return dialogues


def members(cuts: Cuts, rows: list[Row]) -> dict[str, set[str]]:
    levels = {r.id: cuts.level(r.id, r.language, (r.user, r.agent)) for r in rows}
    return {name: {i for i, level in levels.items() if level <= k} for k, name in enumerate(cuts.names)}


def named(values: list[str], names: list[str]) -> Codes:
    return Codes(names, np.array([names.index(value) for value in values], np.int64))


@given(many)
def test_columns_are_dialogues_one_by_one(rows):
    voices = list(dict.fromkeys(v for r in rows for v in (r.user, r.agent)))
    languages = named([r.language for r in rows], list(dict.fromkeys(r.language for r in rows)))
    users, agents = (named([getattr(r, side) for r in rows], voices) for side in ("user", "agent"))
    ranks, micros = ranks_of([r.id for r in rows], 1), np.array([round(r.seconds * 1_000_000) for r in rows])
    assert TrainingDialogues.of(1, ranks, micros, languages, users, agents) == collect(rows)
    cuts = cut_partitions(collect(rows), FRACTIONS).cuts
    expected = [cuts.level(r.id, r.language, (r.user, r.agent)) for r in rows]
    assert cuts.levels(ranks, languages, (users, agents)).tolist() == expected


@given(many, st.integers(0, 5))
def test_partitions_are_nested_and_cover_every_voice(rows, seed):
    made = cut_partitions(collect(rows, seed), FRACTIONS)
    inside = members(made.cuts, rows)
    assert inside["XS"] <= inside["S"] <= inside["M"] <= inside["L"] <= inside["XL"] == {r.id for r in rows}
    voices = {v for r in rows for v in (r.user, r.agent)}
    for name, ids in inside.items():
        assert {v for r in rows if r.id in ids for v in (r.user, r.agent)} == voices
        assert made.contents[name].speakers == len(voices)
        for language in made.contents[name].hours:
            of = [r for r in rows if r.id in ids and r.language == language]
            assert made.contents[name].dialogues[language] == len(of)
            assert made.contents[name].hours[language] == pytest.approx(sum(r.seconds for r in of) / 3600, abs=2e-6)


@given(many)
def test_hours_are_reached_and_hardly_passed_but_by_coverage(rows):
    made = cut_partitions(collect(rows), FRACTIONS)
    first = {i for i in members(Cuts(1, ("none",), {"none": {}}, made.cuts.first), rows)["none"]}
    for name, ids in members(made.cuts, rows).items():
        for language, excess in made.contents[name].excess.items():
            assert excess >= -1e-5
            beyond = [r for r in rows if r.id in ids - first and r.language == language]
            if beyond:
                assert excess <= max(r.seconds for r in beyond) / 3600 + 1e-5


@settings(max_examples=30)
@given(many, st.randoms())
def test_the_order_of_dialogues_does_not_matter(rows, random):
    one = cut_partitions(collect(rows), FRACTIONS)
    random.shuffle(rows)
    assert cut_partitions(collect(rows), FRACTIONS) == one


@given(many)
def test_cuts_survive_json(rows):
    cuts = cut_partitions(collect(rows), FRACTIONS).cuts
    assert members(Cuts.from_json(json.loads(json.dumps(cuts.to_json()))), rows) == members(cuts, rows)


@given(many, st.integers(1, 60))
def test_a_release_never_loses_a_dialogue_and_covers_new_voices(rows, later):
    old = rows[: max(1, len(rows) - later)]
    release = cut_partitions(collect(old), FRACTIONS).cuts
    before = members(release, old)
    after = apply_cuts(release, collect(rows))
    now = members(after.cuts, rows)
    for name in release.names:
        assert now[name] & {r.id for r in old} == before[name]
        assert {r.user for r in rows if r.id in now[name]} == {r.user for r in rows}
        assert after.contents[name].dialogues == {
            lang: sum(r.id in now[name] and r.language == lang for r in rows) for lang in after.contents[name].dialogues
        }


def test_absolute_hours_and_the_excess_of_coverage():
    rows = [Row(f"d{i}", "zh", f"SPK{i % 20}", "agent", 360.0) for i in range(100)]
    sizes = PartitionSettings(sizes={"XS": PartitionSize(hours={"zh": 1.0}), "S": PartitionSize(hours={"zh": 5.0})})
    made = cut_partitions(collect(rows), sizes)
    assert made.contents["XS"].hours["zh"] == 2.0  # twenty voices, six minutes each
    assert made.contents["XS"].excess["zh"] == 1.0
    assert made.contents["S"].hours["zh"] == 5.0


def test_too_little_data_is_reported_not_hidden():
    made = cut_partitions(collect([Row("d", "zh", "a", "b", 3600.0)]), PartitionSettings())
    assert made.contents["XS"].excess["zh"] == -999.0


def test_sizes_must_grow():
    rows = [Row(f"d{i}", "zh", "a", "b", 3600.0) for i in range(10)]
    shrinking = PartitionSettings(sizes={"A": PartitionSize(hours={"zh": 5.0}), "B": PartitionSize(fraction=0.1)})
    with pytest.raises(ValueError, match="from the smallest to the largest"):
        cut_partitions(collect(rows), shrinking)


def test_another_seed_cannot_use_a_release():
    rows = rows_of([(True, 1, 2.0)] * 5)
    with pytest.raises(ValueError, match="seed 1"):
        apply_cuts(cut_partitions(collect(rows, 1), FRACTIONS).cuts, collect(rows, 2))


def test_settings_are_checked():
    with pytest.raises(ValueError, match="either `hours`"):
        PartitionSize()
    with pytest.raises(ValueError, match="becomes a file name"):
        PartitionSettings(sizes={"../x": PartitionSize(fraction=1)})
    assert list(PartitionSettings().sizes) == ["XS", "S", "M", "L", "XL"]


def test_nothing_to_partition():
    made = cut_partitions(collect([]), FRACTIONS)
    assert made.contents["XL"].dialogues == {}
