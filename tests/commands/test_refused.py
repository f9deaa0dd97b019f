"""The takes that rounds refused are still in ROOT; `kesc export --format preference` pairs them with what was kept."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from kespeechchat.commands.export import Wanted, export
from kespeechchat.commands.refused import RefusedTakes
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import FinishedRows, marked_speech
from tests.spoken_again import ROWS, Ground

pytestmark = pytest.mark.slow

TWO = "rounds=[seed, voice]"
DIALOGUES = 4 * ROWS


@pytest.fixture
def ground(tmp_path, quickstart, monkeypatch) -> Ground:
    """Of four dialogues one is understood at once, one the second time, one the third time, one never."""
    made = Ground(tmp_path, quickstart, monkeypatch)
    made.engines.mumbles = lambda u, before: before < _number(u.text) % 4
    assert made.build(TWO).ok
    return made


def _number(text: str) -> int:
    return int("".join(filter(str.isdigit, text)))


def test_each_refused_take_of_a_kept_dialogue_is_found_with_its_speech(ground):
    state = BuildState(ground.pipeline(TWO), ground.store)
    reader, rounds = RefusedTakes(state), {}
    for row in FinishedRows(state.pipeline, ground.store, state):
        takes = reader.takes(row)
        rounds[int(row["id"][1:])] = [take.round for take in takes]
        for take in takes:
            assert take.reason == "error_rate" and "嗯啊" in take.detail
            assert [t["text"] for t in take.turns] == [t["text"] for t in row["turns"]]
            assert reader.speech(row, take) == marked_speech(state, row["shard"], take.round)[row["id"]]
    assert rounds == {n: list(range(n % 4)) for n in range(DIALOGUES) if n % 4 < 3}


def test_the_export_pairs_them(ground, tmp_path):
    told: list[str] = []
    end = export(ground.pipeline(TWO), ground.store, str(tmp_path / "x"), Wanted("preference"), told.append)
    pairs = [row for file in (tmp_path / "x" / "data").iterdir() for row in pq.read_table(file).to_pylist()]
    takes = sum(n % 4 for n in range(DIALOGUES) if n % 4 < 3)
    assert len(pairs) == 2 * takes and f"{len(pairs)} pairs of turns" in end  # both turns were mumbled
    assert {(int(p["dialogue"][1:]), p["rejected_round"], p["chosen_round"]) for p in pairs} == {
        (n, k, n % 4) for n in range(DIALOGUES) if n % 4 < 3 for k in range(n % 4)
    }
    assert all(p["rejected"]["bytes"] != p["chosen"]["bytes"] and p["rejected_seed"] != p["chosen_seed"] for p in pairs)
    assert "at most" in told[0]


def test_a_round_of_another_voice_can_be_left_out(ground, tmp_path):
    wanted = Wanted("preference", options={"voices": "same"})
    export(ground.pipeline(TWO), ground.store, str(tmp_path / "x"), wanted)
    pairs = [row for file in (tmp_path / "x" / "data").iterdir() for row in pq.read_table(file).to_pylist()]
    assert pairs and all(p["chosen_voice"] == p["rejected_voice"] for p in pairs)
    users = [p for p in pairs if p["role"] == "user"]
    assert {p["chosen_round"] for p in users} == {1}  # in round 2 a user has another voice
