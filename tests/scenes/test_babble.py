"""Babble of other dialogues: never one's own, every voice as loud as the next."""

from __future__ import annotations

import numpy as np
import pytest

from kespeechchat.scenes.babble import babble_of, wanted_dialogues
from kespeechchat.scenes.sounds import SceneError
from tests.scenes.voices import RATE, speech

SPOKEN = [(f"d-{i}", speech(0.8 + i / 50, i, level=0.02 + 0.01 * i)) for i in range(20)]


def test_a_dialogue_never_hears_itself():
    bank = babble_of(SPOKEN, RATE, 4)
    assert len(bank.tracks) == 5
    for name, _ in SPOKEN:
        for draw in range(40):
            number = int(bank.cut(draw, 1000, RATE, name).source.removeprefix("babble "))
            assert name not in bank.tracks[number].ids
    assert {name for track in bank.tracks for name in track.ids} == {name for name, _ in SPOKEN}


def test_a_track_is_voices_at_one_level():
    bank = babble_of(SPOKEN, RATE, 4)
    for track in bank.tracks:
        assert len(track.ids) == 4
        assert 0.02 < np.mean(track.samples**2) < 0.05  # four of 0.01 each, less their pauses


def test_another_rate_is_resampled_and_long_speech_gets_enough():
    bank = babble_of(SPOKEN, RATE, 4)
    assert len(bank.cut(3, 60 * 8000, 8000).samples) == 60 * 8000


def test_too_few_dialogues_are_an_error_that_says_what_to_do():
    with pytest.raises(SceneError, match=r"here 12 \(noise.babble_voices: 6\), and has 7: name a noise folder"):
        babble_of(SPOKEN[:7], RATE, 6)
    assert wanted_dialogues(6) == 96
