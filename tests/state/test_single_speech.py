"""One dialogue's speech, read by ranges, is what the whole shard holds."""

from __future__ import annotations

import pytest

from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.state.single_speech import Recent, SingleSpeech
from tests.commands.view.builds import spoken_build, state_of


@pytest.mark.slow
def test_it_is_what_the_shard_holds_round_by_round(tmp_path, quickstart, monkeypatch):
    ground = spoken_build(tmp_path, quickstart, monkeypatch)
    state = state_of(ground)
    rows, speech = FinishedRows(state.pipeline, ground.store, state), SingleSpeech(state)
    kept = list(rows)
    assert {row["round"] for row in kept} == {0, 1}
    for row in kept:
        assert speech.flac(row["shard"], row["round"], row["id"]) == rows.audio(row)
    again = next(row for row in kept if row["round"] == 1)
    assert speech.flac(again["shard"], 0, again["id"]) not in ({}, rows.audio(again))  # the take that was refused
    assert speech.flac(kept[0]["shard"], 1, kept[0]["id"]) == {}  # kept at once, so never spoken again
    assert speech.flac(99, 0, "d00") == speech.flac(0, 7, "d00") == speech.flac(0, 0, "none") == {}


def test_the_last_values_are_kept():
    made: list[str] = []
    recent: Recent[str] = Recent(2)
    for key in ("a", "b", "a", "c", "a", "b"):
        assert recent.get(key, lambda key=key: made.append(key) or key.upper()) == key.upper()
    assert made == ["a", "b", "c", "b"]
