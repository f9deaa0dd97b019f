import numpy as np
import pytest

from kespeechchat.config.engines import DNSMOSSettings
from kespeechchat.engines.mos.dnsmos import HEADS, RATE, WINDOW, melspec, windows
from kespeechchat.engines.registry import load
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import resample


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.fixture(scope="module")
def engine():
    return load(DNSMOSSettings(use="dnsmos"))


@pytest.mark.parametrize(("seconds", "count"), [(3.0, 3), (4.6, 1), (9.01, 1), (10.9, 1), (11.0, 2), (15.0, 6)])
def test_windows_are_the_references(seconds, count):
    cuts = windows(noise(seconds))
    assert len(cuts) == count and all(len(c) == WINDOW and c.dtype == np.float32 for c in cuts)


def test_fewer_windows_are_spread_over_the_clip():
    samples = noise(20.0)
    every = windows(samples)
    assert [np.array_equal(a, b) for a, b in zip(windows(samples, 2), (every[0], every[-1]), strict=True)] == [True] * 2
    assert len(windows(samples, 99)) == len(every)


def test_nothing_to_hear_is_a_row_error(engine):
    for samples in (noise(0), noise(0.05), np.array([np.nan] * RATE, np.float32)):
        assert isinstance(engine.score([Audio(samples, RATE)])[0], RowError)
    assert engine.score([]) == []


@pytest.mark.model
def test_melspec_is_librosas():
    import librosa

    samples = noise(9.0) * np.linspace(0, 1, 9 * RATE, dtype=np.float32)
    power = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=321, hop_length=160, n_mels=120)
    want = ((librosa.power_to_db(power, ref=np.max) + 40) / 40).T
    assert melspec(samples) == pytest.approx(want, abs=1e-4)


@pytest.mark.model
def test_scores_are_the_packages_own(engine, spoken):
    from speechmos import dnsmos

    speech = resample(spoken[0].audio, RATE).samples
    clips = [np.resize(speech, round(4.6 * RATE)), np.resize(speech, round(11.2 * RATE)), noise(5.0)]
    for clip, scores in zip(clips, engine.score([Audio(c, RATE) for c in clips]), strict=True):
        want = dnsmos.run(clip, RATE)
        for head in HEADS:
            assert scores[head] == pytest.approx(want[head.removeprefix("dnsmos_") + "_mos"], abs=1e-3)


@pytest.mark.model
def test_speech_is_rated_over_noise():
    one = load(DNSMOSSettings(use="dnsmos", windows=1))
    rated = one.score([Audio(noise(4.6), RATE), Audio(np.full(round(4.6 * RATE), 2.0, np.float32), RATE)])
    assert all(set(r) == set(HEADS) for r in rated) and rated[0]["dnsmos_ovrl"] < 2.5
