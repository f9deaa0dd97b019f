"""`measure` hears each turn beside its own voice of the library, where the profile names an auditor."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from kespeechchat.records import Audio, RowError
from kespeechchat.stages.base import Task
from kespeechchat.stages.measure import Measure
from kespeechchat.store.audio import encode_flac
from tests.engines.tones import voice

E1, E2 = np.eye(4, dtype=np.float32)[:2]


def _measured(auditor, scores=None) -> list[dict]:
    """The scores of a dialogue's turns: the user in voice `a`, the agent in voice `b`."""
    stage = object.__new__(Measure)
    heard = SimpleNamespace(text="", avg_logprob=0.0, compression_ratio=1.0, no_speech_prob=0.0, words=())
    stage.asr = SimpleNamespace(transcribe=lambda audios, language: [heard for _ in audios])
    stage.mark = SimpleNamespace(detect=lambda audios: [SimpleNamespace(score=1.0, payload=None) for _ in audios])
    stage.mos = SimpleNamespace(score=lambda audios: scores) if scores else None
    stage.auditor = auditor
    turns = [
        {"role": role, "voice": name, "text": "", "audio": encode_flac(voice(0.5, seed=i))}
        for i, (role, name) in enumerate((("user", "a"), ("agent", "b")))
    ]
    row = {"id": "x", "source": "t", "language": "en", "split": "train", "turns": turns}
    library = pa.table({"id": ["a", "b"], "xvectors": [[E1.tolist()], [E2.tolist(), E1.tolist()]]})
    (outcome,) = stage.process(Task(0, "en", [row], {"voices": library}))
    assert outcome.status == "kept", outcome.detail
    return [{s["head"]: s["value"] for s in turn["scores"]} for turn in outcome.row["turns"]]


def _auditor(*vectors):
    def xvectors(audios):
        assert all(isinstance(audio, Audio) for audio in audios)
        return list(vectors)

    return SimpleNamespace(xvectors=xvectors)


def test_each_turn_is_held_against_its_own_voice():
    user, agent = _measured(_auditor(E1, E1), [{"ovrl": 3.0}, {"ovrl": 2.0}])
    assert user == {"ovrl": 3.0, "own_voice": pytest.approx(1)}
    assert agent == {"ovrl": 2.0, "own_voice": pytest.approx(0.5**0.5)}  # of both probes' mean


def test_a_turn_too_short_to_be_heard_has_no_such_score():
    assert _measured(_auditor(RowError("too short"), E2)) == [{}, {"own_voice": pytest.approx(0.5**0.5)}]


def test_without_an_auditor_nothing_is_compared():
    assert _measured(None) == [{}, {}]
