"""F0 gender on synthetic voices: pulse trains through a vocal tract of a few resonances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.engines import F0GenderSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.gender.f0 import f0
from kespeechchat.engines.registry import load
from kespeechchat.records import Audio, RowError


def voice(pitch: float, rate: int = 16_000, seconds: float = 1.0) -> np.ndarray:
    """Glottal pulses at `pitch` Hz through three formants, with a little noise. Pulses fall on whole samples, so that a
    low rate would make the voice itself uneven."""
    from scipy.signal import lfilter

    time = np.arange(int(rate * seconds)) / rate
    phase = np.cumsum(pitch * (1 + 0.02 * np.sin(2 * np.pi * 3 * time))) / rate
    signal = np.diff(np.floor(phase), prepend=0)
    for formant, width in ((600, 90), (1500, 120), (2600, 160)):
        radius, angle = np.exp(-np.pi * width / rate), 2 * np.pi * formant / rate
        signal = lfilter([1], [1, -2 * radius * np.cos(angle), radius**2], signal)
    signal = signal / np.abs(signal).max() * 0.5
    return (signal + np.random.default_rng(0).normal(0, 1e-3, len(signal))).astype(np.float32)


@settings(deadline=None, max_examples=25)
@given(pitch=st.floats(80, 350), rate=st.sampled_from([16_000, 22_050, 24_000]))
def test_pitch_is_found(pitch, rate):
    found = f0(voice(pitch, rate), rate)
    assert len(found) > 30
    assert np.median(found) == pytest.approx(pitch, rel=0.03)


@pytest.fixture
def classifier():
    return load(F0GenderSettings(use="f0"))


@pytest.mark.parametrize(("pitch", "gender"), [(95, "male"), (125, "male"), (210, "female"), (260, "female")])
def test_gender(classifier, pitch, gender):
    (found,) = classifier.classify([Audio(voice(pitch), 16_000)])
    assert found.gender == gender and found.score > 0.9


def test_between_the_limits_and_without_a_voice_it_abstains(classifier):
    limits = F0GenderSettings(use="f0")
    noise = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    middle = voice((limits.male_below + limits.female_above) / 2)
    silence = np.zeros(16_000, np.float32)
    for samples in (noise, middle, silence, middle[:100]):
        (found,) = classifier.classify([Audio(samples, 16_000)])
        assert (found.gender, found.score) == ("unknown", 0.0)


def test_broken_audio_fails_alone(classifier):
    good, empty, nan = voice(110), np.zeros(0, np.float32), np.full(16_000, np.nan, np.float32)
    out = classifier.classify([Audio(x, 16_000) for x in (empty, good, nan)])
    assert isinstance(out[0], RowError) and isinstance(out[2], RowError)
    assert out[1].gender == "male"


def test_limits_in_the_wrong_order_are_refused():
    with pytest.raises(EngineError, match="male_below"):
        load(F0GenderSettings(use="f0", male_below=200, female_above=150))
