"""What a listener is told of each dialogue, over a build with rounds whose speech is made on engines of the test."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kespeechchat.commands.status import status
from kespeechchat.listening.dialogues import Dialogues
from kespeechchat.records import RowError
from kespeechchat.state.build_state import BuildState
from kespeechchat.store.audio import decode
from tests.spoken_again import RATE, ROWS, Ground

pytestmark = pytest.mark.slow
TWO = "rounds=[seed, voice]"


@pytest.fixture
def ground(tmp_path, quickstart, monkeypatch) -> Ground:
    return Ground(tmp_path, quickstart, monkeypatch)


def _dialogues(ground, *settings) -> Dialogues:
    return Dialogues(BuildState(ground.pipeline(*settings), ground.store))


def test_each_dialogue_is_told_once_as_its_last_round_left_it(ground) -> None:
    # d01 (en) is understood the second time, d00 (zh) never
    ground.engines.mumbles = lambda u, before: "第0个" in u.text or ("number 4" in u.text and before == 0)
    ground.build(TWO)
    found = {heard.id: heard for heard in _dialogues(ground, TWO)}
    assert len(found) == 4 * ROWS
    counts = Counter(heard.fate for heard in found.values())
    stages = {s["name"]: s for s in status(ground.pipeline(TWO), ground.store)["stages"]}
    assert counts["kept"] == sum(stages[g]["kept"] for g in ("gate", "gate.r1", "gate.r2"))
    assert counts["rejected"] == sum(stages["gate.r2"]["rejected"].values()) == 1
    (refused,) = [heard for heard in found.values() if heard.fate == "rejected"]
    assert (refused.round, refused.stage, refused.reason) == (2, "gate.r2", "error_rate")
    assert refused.turns[0].transcript == "嗯啊" and refused.turns[0].error_rate > 0.5
    assert next(p.kind for p in refused.differences(refused.turns[0])) != "same"
    assert {heard.round for heard in found.values() if heard.fate == "kept"} == {0, 1}


def test_audio_is_read_for_the_turn_that_is_asked(ground) -> None:
    ground.build()
    dialogues = _dialogues(ground)
    heard = next(iter(dialogues))
    for turn in heard.turns:
        audio = decode(dialogues.audio(heard, turn.role))
        assert audio.sample_rate == RATE and audio.seconds == pytest.approx(turn.seconds)
        assert ground.engines._heard[len(audio.samples)] == turn.text


def test_what_the_tts_gave_up_has_no_speech(ground) -> None:
    speak = ground.engines.speak

    def breathless(utterances):
        pairs = zip(utterances, speak(utterances), strict=True)
        return [RowError("out of breath") if "number 5" in u.text else audio for u, audio in pairs]

    ground.monkeypatch.setattr(ground.engines, "speak", breathless)
    ground.build()
    (failed,) = [heard for heard in _dialogues(ground) if heard.fate == "failed"]
    assert failed.stage == "synthesize" and "out of breath" in failed.detail and not failed.spoken
    assert _dialogues(ground).audio(failed, "user") is None


def test_an_unfinished_build_tells_what_is_settled(ground) -> None:
    ground.build(stages=("watermark",))
    dialogues = _dialogues(ground)
    assert dialogues.shards and not list(dialogues)


def test_the_content_of_a_shard_changes_with_what_it_is_read_from(ground) -> None:
    ground.build()
    before = {n: _dialogues(ground).content(n) for n in _dialogues(ground).shards}
    assert before == {n: _dialogues(ground).content(n) for n in before}
    strict = "stages.gate={max_error: {zh: 0.01, en: 0.1}}"
    ground.build(strict)
    after = {n: _dialogues(ground, strict).content(n) for n in before}
    changed = {n for n in before if before[n] != after[n]}
    assert changed == {n for n in before if dialogues_of(ground, strict, n) == {"zh"}}


def dialogues_of(ground, setting, shard) -> set[str]:
    return {heard.language for heard in _dialogues(ground, setting).of(shard)}


def test_the_pace_is_of_the_characters_that_are_said(ground) -> None:
    ground.build()
    heard = next(h for h in _dialogues(ground) if h.language == "en")
    turn = heard.turns[0]
    said = "".join(c for c in turn.text if c.isalpha())
    assert turn.pace < turn.seconds / len(said) and np.isfinite(turn.pace)
