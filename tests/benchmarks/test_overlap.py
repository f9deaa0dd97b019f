"""A build on Ray with engines of recorded times: speech waits for the gate, no more of it than `audio_ahead` allows."""

from __future__ import annotations

import pytest

from benchmarks.overlap import measure
from kespeechchat.commands.status import status
from kespeechchat.execution.worker.board import Board
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.saved_profile import load_profile
from kespeechchat.store.opening import open_store


def test_a_shard_is_spoken_when_another_is_through():
    board = Board()
    board.limit_speech(2)
    assert [board.reserve_speech(n) for n in (0, 1, 2, 1)] == [True, True, False, True]  # 1 again: its worker died
    board.release_speech(0)
    assert [board.reserve_speech(n) for n in (2, 3)] == [True, False]
    board.limit_speech(None)
    assert all(board.reserve_speech(n) for n in range(9))


@pytest.mark.faults
def test_speech_that_waits_for_the_gate_is_bounded(tmp_path):
    found = measure(tmp_path / "build", 6, 2, {"tts": 0.0, "asr": 0.5}, ["audio_ahead=2"])
    assert 1 <= found.audio_shards <= 2
    root = str(tmp_path / "build" / "root")
    build_state = BuildState(load_profile(root), open_store(root))
    assert build_state.complete("gate")
    assert status(build_state.pipeline, build_state.store, build_state)["stages"][-1]["kept"] == 12
