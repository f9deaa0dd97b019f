"""Blocks of dialogues say what their rows say."""

from __future__ import annotations

import copy

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.blocks import Block, blocks, blocks_of, coded, faulty
from kespeechchat.rows import fault_of, samples_of
from tests.export.gated_rows import ROWS
from tests.export.test_turns import longer

_LONG = [longer(i, 1 + i % 3) for i in range(12)]


def block(rows) -> Block:
    return next(iter(blocks_of(rows)))


def test_columns_of_dialogues_and_turns():
    made = block(_LONG)
    assert len(made) == 12 and made.ids.to_pylist() == [row["id"] for row in _LONG]
    assert made.dialogue_of.tolist() == [i for i, row in enumerate(_LONG) for _ in row["turns"]]
    assert made.place.tolist() == [k for row in _LONG for k in range(len(row["turns"]))]
    assert made.samples.tolist() == [samples_of(turn) for row in _LONG for turn in row["turns"]]
    users, agents = made.speakers()
    assert [users.names[code] for code in users.codes] == [row["turns"][0]["voice"] for row in _LONG]
    assert [agents.names[code] for code in agents.codes] == [row["turns"][1]["voice"] for row in _LONG]
    assert made.turn_numbers("seconds").tolist() == [turn["seconds"] for row in _LONG for turn in row["turns"]]
    words = made.turn_lists("words")
    said = [word["text"] for row in _LONG for turn in row["turns"] for word in turn["words"]]
    assert words.column("text").to_pylist() == said


def test_what_rows_lack_is_null():
    made = block(ROWS)
    assert made.of_turns("loudness").null_count == len(made.of_turns("loudness")) == 80
    assert made.column("review").null_count == 40


@given(st.lists(st.integers(0, 7), max_size=6), st.integers(1, 9))
def test_tables_become_blocks_that_are_not_too_large(sizes, most):
    tables = [pa.table({"id": [f"{i}-{k}" for k in range(size)]}) for i, size in enumerate(sizes)]
    made = list(blocks(tables, most))
    assert all(0 < len(one) <= most for one in made)
    assert [i for one in made for i in one.ids.to_pylist()] == [i for t in tables for i in t["id"].to_pylist()]


def test_shards_of_other_columns_share_no_block():
    old, new = pa.table({"id": ["a"]}), pa.table({"id": ["b"], "words": [1]})
    assert [len(one) for one in blocks([old, old, new, old])] == [2, 1, 1]


@given(st.data())
def test_a_fault_is_found_where_a_row_has_one(data):
    rows = copy.deepcopy(_LONG[:6])
    for row in rows:
        if data.draw(st.booleans()):
            turn = data.draw(st.integers(0, len(row["turns"]) - 1))
            match data.draw(st.sampled_from(["role", "voice", "sample_rate", "less", "none"])):
                case "less":
                    del row["turns"][turn]
                case "none":
                    row["turns"] = []
                case name:
                    row["turns"][turn][name] = {"role": "agent", "voice": "SPK9f", "sample_rate": 9000}[name]
    expected = [i for i, row in enumerate(rows) if fault_of(row["turns"])]
    assert faulty(block(rows)) == (expected[0] if expected else None)


def test_a_missing_string_is_an_error():
    with pytest.raises(ValueError, match="1 of 2 strings are missing"):
        coded(pa.array(["a", None]))


def test_numbers_keep_all_digits():
    row = copy.deepcopy(ROWS[0])
    row["turns"][0]["seconds"] = 1 / 3
    assert block([row]).turn_numbers("seconds")[0] == 1 / 3
    assert block([row]).row(0)["turns"][0]["seconds"] == 1 / 3
