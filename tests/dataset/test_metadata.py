from __future__ import annotations

import pytest

from kespeechchat.dataset.metadata import dialogue_object


def row() -> dict:
    return {
        "id": "belle-1",
        "language": "zh",
        "turns": [
            {"role": "user", "voice": "SPK1486m", "text": "你好", "seconds": 1.5, "sample_rate": 22050},
            {"role": "agent", "voice": "agentFemale", "text": "您好", "seconds": 2.0, "sample_rate": 22050},
        ],
    }


GENDERS = {"SPK1486m": "male", "agentFemale": "female"}


def test_the_papers_object():
    assert dialogue_object(row(), GENDERS) == {
        "id": "belle-1",
        "speaker": {
            "SPK1486m": {"role": "user", "gender": "male"},
            "agentFemale": {"role": "agent", "gender": "female"},
        },
        "audio": {"channel": 2, "duration": 3.5, "sample_rate": 22050},
        "channel": [{"channel_index": 0, "language": "zh"}, {"channel_index": 1, "language": "zh"}],
        "dialog": [
            {
                "channel": 0,
                "speaker": "SPK1486m",
                "text": "你好",
                "start": 0.0,
                "end": 1.5,
                "audio_path": "belle-1/belle-1_0_mark.wav",
            },
            {
                "channel": 1,
                "speaker": "agentFemale",
                "text": "您好",
                "start": 1.5,
                "end": 3.5,
                "audio_path": "belle-1/belle-1_1_mark.wav",
            },
        ],
    }


def test_rows_that_are_no_dialogue():
    with pytest.raises(ValueError, match="belle-1: expected a user's turn and an agent's"):
        dialogue_object({**row(), "turns": row()["turns"][:1]}, GENDERS)
    with pytest.raises(ValueError, match="agentFemale is not in the voice library"):
        dialogue_object(row(), {"SPK1486m": "male"})
    mixed = row()
    mixed["turns"][1]["sample_rate"] = 24000
    with pytest.raises(ValueError, match="different sample rates"):
        dialogue_object(mixed, GENDERS)
