"""CASES of silence in a build: spoken again at once, refused by the gate, and re-gated from stored figures."""

from __future__ import annotations

import re

import numpy as np
import pytest

from kespeechchat.commands.status import status
from kespeechchat.records import Audio
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.commit import read_record
from kespeechchat.store.shards import read_table
from tests.spoken_again import RATE, ROWS, Ground

pytestmark = pytest.mark.slow

LIMITED = "stages.synthesize.max_silence={leading: 1, trailing: 1, inside: 1}"
UNLIMITED = "stages.synthesize.max_silence={}"
ANY_PACE = "stages.synthesize.seconds_per_character={zh: [0, 9], en: [0, 9]}"
ALL = 4 * ROWS


@pytest.fixture
def ground(tmp_path, quickstart, monkeypatch) -> Ground:
    return Ground(tmp_path, quickstart, monkeypatch)


def _pause(ground: Ground, place: str, times: int) -> None:
    """The first `times` attempts at each agent's turn have two seconds of silence at `place`."""
    speak, before = ground.engines._said, {}

    def said(utterance):
        audio = speak(utterance)
        before[utterance.text] = before.get(utterance.text, 0) + 1
        if "question" in utterance.text or "问题" in utterance.text or before[utterance.text] > times:
            return audio
        half, gap = len(audio.samples) // 2, np.zeros(2 * RATE, np.float32)
        at = {"leading": 0, "inside": half, "trailing": len(audio.samples)}[place]
        longer = Audio(np.insert(audio.samples, at, gap), RATE)
        ground.engines._heard[len(longer.samples)] = utterance.text
        return longer

    ground.engines._said = said


def _rows(ground: Ground, pipeline, stage: str) -> list[dict]:
    states = BuildState(pipeline, ground.store).states(stage).values()
    records = [read_record(ground.store, stage, state.order.key) for state in states]
    return [row for record in records for row in read_table(ground.store, stage, record, kept_only=False).to_pylist()]


@pytest.mark.parametrize("place", ["leading", "inside", "trailing"])
def test_two_seconds_of_silence_get_the_next_seed_at_once(ground, place):
    _pause(ground, place, times=1)
    settings = (LIMITED, ANY_PACE, "stages.synthesize.tries=3")
    assert ground.build(*settings).ok
    rows = list(FinishedRows(ground.pipeline(*settings), ground.store))
    assert len(rows) == ALL
    assert {tuple(turn["tries"] for turn in row["turns"]) for row in rows} == {(1, 2)}
    assert all(
        turn[f"{k}_silence"] < 1 for r in rows for turn in r["turns"] for k in ("leading", "trailing", "longest")
    )


def test_what_stays_silent_is_refused_as_silence(ground):
    _pause(ground, "inside", times=9)
    settings = (LIMITED, ANY_PACE, "stages.synthesize.tries=2")
    ground.build(*settings)
    rows = _rows(ground, ground.pipeline(*settings), "watermark")
    assert {r["reason"] for r in rows} == {"silence"} and {r["turns"][1]["tries"] for r in rows} == {2}
    silent = re.compile(r"agent: (1\.99|2\.00) s of silence inside, at most 1\.0")
    assert all(silent.fullmatch(r["detail"]) for r in rows)


def test_an_engine_without_seeds_is_asked_once(ground, monkeypatch):
    _pause(ground, "inside", times=1)
    monkeypatch.setattr(ground.engines, "seeded", False)
    settings = (LIMITED, ANY_PACE, "stages.synthesize.tries=3")
    ground.build(*settings)
    rows = _rows(ground, ground.pipeline(*settings), "watermark")
    assert {r["reason"] for r in rows} == {"silence"} and {t["tries"] for r in rows for t in r["turns"]} == {1}


def test_a_new_limit_makes_the_gate_alone_stale(ground):
    _pause(ground, "inside", times=9)
    before = (UNLIMITED, ANY_PACE)
    assert ground.build(*before).ok and len(list(FinishedRows(ground.pipeline(*before), ground.store))) == ALL
    spoken = sum(ground.engines._times.values())
    after = (*before, "stages.gate.max_silence={inside: 1.0}", "stages.gate.hallucinations=true")
    build_state = BuildState(ground.pipeline(*after), ground.store)
    stale = {u.name for u in build_state.pipeline.units if _not_done(build_state, u.name)}
    assert stale == {"gate"}
    ground.build(*after)
    assert sum(ground.engines._times.values()) == spoken
    (gate,) = [s for s in status(ground.pipeline(*after), ground.store)["stages"] if s["name"] == "gate"]
    assert gate["kept"] == 0 and gate["rejected"] == {"silence": ALL}
    row = _rows(ground, ground.pipeline(*after), "gate")[0]
    assert row["turns"][1]["longest_silence"] == pytest.approx(2.0, abs=0.02)


def _not_done(build_state: BuildState, unit: str) -> bool:
    return any(state.state is not State.DONE for state in build_state.states(unit).values())
