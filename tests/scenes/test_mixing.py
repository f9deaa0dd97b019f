"""Active frames, signal-to-noise ratios over them, and the limiter."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.scenes.mixing import FULL_SCALE, active, float32, int16, limited, noise_gain, power, snr
from tests.scenes.voices import RATE, hum, speech


def test_pauses_are_not_active():
    found = active(speech(), RATE)
    gaps = [(left.stop, right.start) for left, right in pairwise(found)]
    assert len(gaps) >= 2 and all(2000 < end - start < 4000 for start, end in gaps)  # 0.2 s, less the syllables' edges


def test_silence_has_no_active_frames_and_no_ratio():
    silent = np.zeros(1600, np.float32)
    assert active(silent, RATE) == ()
    with pytest.raises(ValueError, match="no sound"):
        snr(silent, hum(0.1), active(silent, RATE))
    with pytest.raises(ValueError, match="noise has no sound"):
        noise_gain(speech(0.5), np.zeros(8000, np.float32), active(speech(0.5), RATE), 10)


@given(st.floats(-10, 60), st.integers(0, 99), st.floats(0.01, 0.9))
def test_noise_is_as_far_under_the_speech_as_was_asked(wanted: float, seed: int, level: float):
    clean, noise = speech(1.0, seed, level=level), hum(1.0, seed)
    added = noise * np.float32(noise_gain(clean, noise, active(clean, RATE), wanted))
    loud = np.abs(clean) > 0.02 * np.abs(clean).max()  # another way to say where speech is: within 0.5 dB of ours
    ratio = 10 * np.log10(np.mean(clean[loud].astype(float) ** 2) / np.mean(added[loud].astype(float) ** 2))
    assert snr(clean, added, active(clean, RATE)) == pytest.approx(wanted, abs=0.01)
    assert abs(ratio - wanted) < 1.0


@given(st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=50))
def test_the_limiter_changes_level_and_nothing_else(values: list[float]):
    samples = np.array(values, np.float32)
    out, gain = limited(samples)
    assert np.abs(out).max() <= FULL_SCALE + 1e-6 and gain <= 0
    assert np.allclose(out, samples * 10 ** (gain / 20), atol=1e-5)


def test_16_bits_go_there_and_back():
    every = np.arange(-32768, 32768, dtype=np.int16)
    assert np.array_equal(int16(float32(every)), every)
    assert power(float32(every), ()) == 0.0
