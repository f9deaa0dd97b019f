"""The lines of the paper's layout are those that each dialogue has alone, and its figures those of row by row."""

from __future__ import annotations

import copy

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kespeechchat.blocks import Block, blocks_of
from kespeechchat.config.dataset import SubsetSettings, TTSSubset
from kespeechchat.config.timing import TimingSettings
from kespeechchat.dataset.facts import dialogue_facts
from kespeechchat.dataset.json_array import compact
from kespeechchat.dataset.metadata import dialogue_object
from kespeechchat.dataset.overlaps import OverlapCheck
from kespeechchat.dataset.statistics import Statistics
from kespeechchat.dataset.subsets import Subsets
from kespeechchat.dataset.text_keys import text_hashes
from kespeechchat.dataset.timeline import Timing
from kespeechchat.dataset.timeline_statistics import Timelines
from kespeechchat.export.layouts.ke_speechchat.lines import Lines
from kespeechchat.export.layouts.ke_speechchat.loading import list_line
from tests.export import test_backchannels, test_turns
from tests.export.gated_rows import GENDERS, dialogue

_ALL = [*test_turns.ROWS, *test_backchannels.ROWS, *(dialogue(i) for i in range(20))]
_TIMINGS = {
    "paper": Timing(),
    "drawn": Timing(test_turns.TIMING, 5),
    "heard": Timing(test_backchannels.OFTEN, 5, test_backchannels.SOUNDS),
    "apart": Timing(TimingSettings.model_validate({"user_after_agent": {"mean": 0.25}})),
}
_TURN = {
    "text": st.one_of(st.text(max_size=20), st.sampled_from(['"Oh," he said.', "a\\b\n", "\x1f", "", "你好，世界"])),
    "transcript": st.text(max_size=9),
    "error_rate": st.one_of(st.none(), st.floats(0, 2, width=32)),
    "watermark_score": st.one_of(st.none(), st.floats(0, 1, width=32)),
    "scores": st.one_of(
        st.none(),
        st.lists(
            st.fixed_dictionaries(
                {"head": st.sampled_from(["mos", 'a"b', "p808"]), "value": st.floats(0, 5, width=32)}
            ),
            max_size=3,
        ),
    ),
    "loudness": st.one_of(st.none(), st.floats(-60, 0, width=32)),
    "gain": st.one_of(st.none(), st.floats(-1 / 64, 1 / 64, width=32)),
    "manner": st.one_of(
        st.none(),
        st.fixed_dictionaries(
            {
                "name": st.sampled_from(["hurried", 'so "so"']),
                "speed": st.one_of(st.none(), st.floats(0.5, 2)),
                "instruct": st.one_of(st.none(), st.text(max_size=9)),
            }
        ).map(lambda manner: {key: manner[key] for key in ("name", "speed", "instruct")}),  # as Parquet has them
    ),
    "words": st.none(),
    "silences": st.none(),
}


@st.composite
def changed(draw, one_voice: bool = True) -> dict:
    """One of the dialogues, with some values drawn; `one_voice`: perhaps user and agent have the same."""
    row = copy.deepcopy(draw(st.sampled_from(_ALL)))
    for turn in row["turns"]:
        for name in draw(st.sets(st.sampled_from(sorted(_TURN)), max_size=3)):
            turn[name] = draw(_TURN[name])
    if one_voice and draw(st.integers(0, 9)) == 0:
        for turn in row["turns"]:
            turn["voice"] = "SPK1f"
    return row | {"review": draw(st.sampled_from([None, "accepted"])), "round": draw(st.integers(0, 2))}


def expected(rows, timing, partitions, folders, audio):
    metadata, facts, listed = [], [], []
    for row, partition, folder in zip(rows, partitions, folders, strict=True):
        places = timing.places(row)
        drawn = timing.backchannels(row, places).backchannels
        metadata.append(compact(dialogue_object(row, GENDERS, folder, places, drawn)))
        facts.append(compact(dialogue_facts(row, partition, places)))
        listed.append(compact(list_line(row, partition, GENDERS, folder if audio else None, places)))
    return metadata, facts, listed


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(changed(), min_size=1, max_size=8), st.booleans())
def test_lines_are_those_of_each_dialogue(rows, audio):
    partitions = [None if row["split"] != "train" else ("XS", "XL")[i % 2] for i, row in enumerate(rows)]
    folders = [("", "ab/")[i % 2] for i in range(len(rows))]
    block = next(blocks_of(rows))
    for timing in (_TIMINGS["paper"], _TIMINGS["apart"]):
        lines = Lines(block, timing.of_block(block), timing, partitions, GENDERS, folders, audio)
        made = [
            [line.encode() for line in some.to_pylist()] for some in (lines.metadata(), lines.facts(), lines.listed())
        ]
        assert made == list(expected(rows, timing, partitions, folders, audio))


@pytest.mark.parametrize(
    ("name", "rows"),
    [("drawn", test_turns.ROWS), ("heard", test_backchannels.ROWS), ("paper", _ALL), ("apart", _ALL)],
)
def test_lines_and_timelines_of_every_timing(name, rows):
    timing, block = _TIMINGS[name], next(blocks_of(rows))
    timeline = timing.of_block(block)
    if name in ("drawn", "heard"):
        assert timeline.special, "some turns are cut or have backchannels inside"
    partitions, folders = [None] * len(rows), ["ab/"] * len(rows)
    lines = Lines(block, timeline, timing, partitions, GENDERS, folders, True)
    made = [[line.encode() for line in some.to_pylist()] for some in (lines.metadata(), lines.facts(), lines.listed())]
    assert made == list(expected(rows, timing, partitions, folders, True))
    one_by_one, at_once = Timelines(), Timelines()
    at_once.add_block(block, timeline)
    for row in rows:
        places = timing.places(row)
        one_by_one.add(row, places, timing.backchannels(row, places))
    assert at_once == one_by_one


def test_a_root_of_before_word_times_and_levels():
    rows = [dialogue(i) for i in range(6)]
    kept = [field for field in next(blocks_of(rows)).table.schema if field.name != "turns"]
    turn = next(blocks_of(rows)).table.schema.field("turns").type.value_type
    fields = [field for field in turn if field.name not in ("words", "silences", "loudness", "gain", "scores")]
    schema = pa.schema([*kept, pa.field("turns", pa.list_(pa.struct(fields)))])
    block = Block(pa.Table.from_pylist(rows, schema=schema).combine_chunks())
    timing = _TIMINGS["paper"]
    lines = Lines(block, timing.of_block(block), timing, [None] * 6, GENDERS, [""] * 6, False)
    old = [row | {"turns": [turn | {"scores": None} for turn in row["turns"]]} for row in block.rows()]
    made = [[line.encode() for line in some.to_pylist()] for some in (lines.metadata(), lines.facts(), lines.listed())]
    assert made == list(expected(old, timing, [None] * 6, [""] * 6, False))


def test_a_voice_that_the_library_lacks_is_named():
    block = next(blocks_of([dialogue(1), dialogue(2)]))
    genders = {voice: gender for voice, gender in GENDERS.items() if voice != "SPK2f"}
    timing = Timing()
    with pytest.raises(ValueError, match="dialogue seed-002: voice SPK2f is not in the voice library"):
        Lines(block, timing.of_block(block), timing, [None, None], genders, ["", ""], False)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(changed(one_voice=False), min_size=1, max_size=12), st.integers(0, 12))
def test_figures_are_those_of_row_by_row(rows, at):
    rows = [row | {"id": f"d{i}"} for i, row in enumerate(rows)]
    users, agents = ({row["turns"][turn]["voice"] for row in rows} for turn in (0, 1))
    assume(not users & agents)  # as in a library, where a voice has one role
    settings_ = SubsetSettings(tts=TTSSubset(speakers=2, utterances={"zh": 2, "en": 1}))
    statistics, check, subsets = Statistics(0.5), OverlapCheck(), Subsets(settings_, 3)
    offered = []
    for row in rows:
        statistics.add_block(next(blocks_of([row])))
        check.add(row["split"], row["turns"][0]["voice"], [turn["text"] for turn in row["turns"]], row["id"])
        offered.append(subsets.add(row, row["split"] == "train" and len(row["id"]) % 2 == 0))
    by_block = Statistics(0.5), OverlapCheck(), Subsets(settings_, 3)
    tables = []
    for some in (rows[:at], rows[at:]):
        for block in blocks_of(some):
            hashes = text_hashes(block.of_turns("text"))
            by_block[0].add_block(block)
            by_block[1].add_block(block, hashes)
            wanted = np.array([row["split"] == "train" and len(row["id"]) % 2 == 0 for row in some])
            tables += by_block[2].add_block(block, hashes, wanted).to_pylist()
    assert by_block[0].result() == statistics.result()
    assert by_block[1].overlaps({}) == check.overlaps({})
    assert by_block[2].choose() == subsets.choose()
    one_by_one = [(u.id, u.speaker, u.language, u.seconds, u.text) for u in offered if u is not None]
    assert [tuple(one.values()) for one in tables] == one_by_one
