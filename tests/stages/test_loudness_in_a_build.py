"""The level of speech in a build: one for every utterance, set before the mark, with its figures beside each turn."""

from __future__ import annotations

import numpy as np
import pytest

from kespeechchat.dataset.facts import dialogue_facts
from kespeechchat.loudness import loudness
from kespeechchat.records import Audio
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.audio import decode
from kespeechchat.store.commit import read_record
from kespeechchat.store.shards import read_table
from tests.spoken_again import ROWS, Ground

pytestmark = pytest.mark.slow
AS_SPOKEN = "stages.synthesize.loudness=null"
SOFT = "stages.synthesize.loudness={lufs: -30}"
RATE = 8_000


@pytest.fixture
def ground(tmp_path, quickstart, monkeypatch) -> Ground:
    """Speech of tones, each utterance some dB louder than the one before."""
    ground = Ground(tmp_path, quickstart, monkeypatch)
    speak, spoken = ground.engines._said, []

    def said(utterance):
        length = 4 * len(speak(utterance).samples)
        ground.engines._heard[length] = utterance.text
        spoken.append(utterance)
        time = np.arange(length) / RATE
        return Audio((0.02 * len(spoken) * np.sin(2 * np.pi * 500 * time)).astype(np.float32), RATE)

    ground.engines._said = said
    return ground


def _audios(ground: Ground, pipeline) -> list[Audio]:
    states = BuildState(pipeline, ground.store).states("watermark").values()
    records = [read_record(ground.store, "watermark", state.order.key) for state in states]
    rows = [row for record in records for row in read_table(ground.store, "watermark", record).to_pylist()]
    return [decode(turn["audio"]) for row in rows for turn in row["turns"]]


def test_every_turn_has_one_level_and_its_figures_are_kept(ground):
    assert ground.build(SOFT).ok
    pipeline = ground.pipeline(SOFT)
    levels = [loudness(audio).integrated for audio in _audios(ground, pipeline)]
    assert len(levels) == 8 * ROWS and levels == pytest.approx([-30.0] * len(levels), abs=0.1)
    rows = list(FinishedRows(pipeline, ground.store))
    turns = [turn for row in rows for turn in dialogue_facts(row, None)["turns"]]
    assert all(turn["loudness"] + turn["gain"] == pytest.approx(-30.0, abs=0.02) for turn in turns)
    assert len({turn["gain"] for turn in turns}) > 1


def test_null_leaves_the_level_and_is_what_was_built_before(ground):
    assert ground.build(AS_SPOKEN).ok
    levels = [loudness(audio).integrated for audio in _audios(ground, ground.pipeline(AS_SPOKEN))]
    assert max(levels) - min(levels) > 10
    (row, *_) = FinishedRows(ground.pipeline(AS_SPOKEN), ground.store)
    assert [(t["loudness"], t["gain"]) for t in dialogue_facts(row, None)["turns"]] == [(None, None)] * 2
    assert ground.stale(SOFT) == {"watermark", "measure", "gate"}  # `synthesize` is published with `watermark`
