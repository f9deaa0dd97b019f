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


@pytest.mark.parametrize("rate", [8000, RATE, 24_000])
def test_babble_keeps_its_pitch_at_another_rate(rate: int):
    tone = (0.1 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    bank = babble_of([(f"d-{i}", tone) for i in range(4)], RATE, 2)
    found = bank.cut(5, 2 * rate, rate).samples
    assert np.argmax(np.abs(np.fft.rfft(found))) / 2 == pytest.approx(440, abs=1)
    spectrum = np.abs(np.fft.rfft(found)) ** 2  # nothing else than the tone: no images of a rate that was not filtered
    assert spectrum[860:900].sum() > 0.99 * spectrum.sum()


def test_too_few_dialogues_are_an_error_that_says_what_to_do():
    with pytest.raises(SceneError, match=r"here 12 \(noise.babble_voices: 6\), and has 7: name a noise folder"):
        babble_of(SPOKEN[:7], RATE, 6)
    assert wanted_dialogues(6) == 96
