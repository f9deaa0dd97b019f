"""Loudness: figures of the standard, laws, and what it says of sounds that the standard leaves out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.loudness import levelled, loudness
from kespeechchat.records import Audio
from tests.engines.tones import voice

RATES = st.sampled_from([16_000, 22_050, 24_000, 48_000])


def tone(seconds: float, level: float, rate: int = 24_000, hertz: float = 997.0) -> Audio:
    """A sine of `level` dBFS."""
    time = np.arange(round(seconds * rate)) / rate
    return Audio((10 ** (level / 20) * np.sin(2 * np.pi * hertz * time)).astype(np.float32), rate)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
@pytest.mark.parametrize("level", [-6.0, -23.0, -40.0])
def test_a_tone_of_the_standard_has_its_loudness(rate, level):
    """BS.1770: 997 Hz at 0 dBFS in one channel is -3.01 LUFS."""
    assert loudness(tone(5.0, level, rate)).integrated == pytest.approx(level - 3.01, abs=0.06)


def test_pauses_do_not_count():
    spoken, pause = tone(3.0, -20.0).samples, np.zeros(24_000 * 6, np.float32)
    with_pause = Audio(np.concatenate([spoken, pause, spoken]), 24_000)
    assert loudness(with_pause).integrated == pytest.approx(loudness(tone(6.0, -20.0)).integrated, abs=0.5)


def test_the_true_peak_is_between_the_samples():
    rate = 24_000
    time = np.arange(rate) / rate  # a quarter of the rate, caught at 45 degrees: samples at 0.7 of the crest
    audio = Audio((0.5 * np.sin(2 * np.pi * rate / 4 * time + np.pi / 4)).astype(np.float32), rate)
    assert np.abs(audio.samples).max() == pytest.approx(0.354, abs=0.001)
    assert loudness(audio).true_peak == pytest.approx(20 * math.log10(0.5), abs=0.7)  # its ends ring a little


@given(st.floats(0.05, 1.5), RATES, st.floats(-40, -6))
def test_a_levelled_utterance_is_at_the_level_or_at_the_peak(seconds, rate, lufs):
    audio = voice(seconds, rate, seed=1)
    level = levelled(audio, lufs, -1.0)
    after = loudness(level.audio)
    assert level.before == loudness(audio).integrated and after.integrated is not None
    assert after.true_peak <= -1.0 + 0.01
    assert after.integrated == pytest.approx(lufs, abs=0.1) or (
        after.integrated < lufs and after.true_peak == pytest.approx(-1.0, abs=0.01)
    )
    assert after.integrated - level.before == pytest.approx(level.gain, abs=0.1)
    again = levelled(level.audio, lufs, -1.0)
    assert again.gain == pytest.approx(0.0, abs=0.05)


@given(st.floats(0.02, 0.39), st.floats(-30, -1))
def test_under_0_4_seconds_the_mean_power_counts(seconds, level):
    short, long = tone(seconds, level, hertz=1_000), tone(4.0, level, hertz=1_000)
    assert loudness(short).integrated == pytest.approx(loudness(long).integrated, abs=1.0)


@given(RATES, st.floats(-30, 20))
def test_a_gain_moves_the_loudness_by_itself(rate, gain):
    audio = voice(0.8, rate, seed=2)
    scaled = Audio(audio.samples * np.float32(10 ** (gain / 20)), rate)
    assert loudness(scaled).integrated - loudness(audio).integrated == pytest.approx(gain, abs=0.05)


@pytest.mark.parametrize("samples", [np.zeros(9_600, np.float32), np.full(9_600, 1e-6, np.float32), np.zeros(0)])
def test_what_is_silent_stays_as_it_is(samples):
    level = levelled(Audio(samples.astype(np.float32), 24_000), -23.0, -1.0)
    assert level.before is None and level.gain == 0.0 and np.array_equal(level.audio.samples, samples)
