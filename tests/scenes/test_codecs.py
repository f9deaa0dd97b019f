"""Real codecs keep length and time, and leave the marks that they are known by."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from scipy.signal import correlate

from kespeechchat.config.scenes import CodecName
from kespeechchat.scenes.codecs import _CODECS, coded, telephone_band
from kespeechchat.scenes.sounds import SceneError
from tests.scenes.voices import speech

RATE = 24_000


def band(samples: np.ndarray, low: float, high: float) -> float:
    """dB of the power between two frequencies."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    at = np.fft.rfftfreq(len(samples), 1 / RATE)
    return 10 * np.log10(power[(at >= low) & (at < high)].sum() + 1e-12)


@pytest.mark.parametrize("name", get_args(CodecName))
def test_a_codec_keeps_length_and_time(name: CodecName):
    clean = telephone_band(speech(2.0, rate=RATE), RATE)  # what every codec can carry
    found = coded(clean, RATE, name)
    late = int(np.argmax(correlate(found, clean, method="fft"))) - (len(clean) - 1)
    assert len(found) == len(clean) and found.dtype == np.float32
    assert abs(late) <= RATE // _CODECS[name].rate + 1, late
    assert not np.array_equal(found, clean)
    levels = [np.abs(one).reshape(-1, RATE // 50).mean(axis=1) for one in (found, clean)]
    assert np.corrcoef(*levels)[0, 1] > 0.9  # lossy, but the same syllables


@pytest.mark.parametrize("name", ["g711_mulaw", "g711_alaw", "amr_nb"])
def test_a_telephone_codec_has_nothing_over_4_khz(name: CodecName):
    clean = speech(1.0, rate=RATE)
    assert band(coded(clean, RATE, name), 4200, 12_000) < band(clean, 4200, 12_000) - 30


def test_mu_law_is_the_standards():
    """ITU-T G.711: 255 steps, so few different samples come back, at the codec's own rate."""
    clean = speech(1.0, rate=8000, level=0.3)
    found = coded(clean, 8000, "g711_mulaw")
    assert len(np.unique(np.rint(found * 32768))) <= 256
    assert 30 < 10 * np.log10(np.mean(clean**2) / np.mean((found - clean) ** 2)) < 45  # dB


def test_the_telephone_band_has_its_edges():
    clean = speech(2.0, rate=RATE)
    found = telephone_band(clean, RATE)
    assert abs(band(found, 500, 3000) - band(clean, 500, 3000)) < 1
    assert band(found, 0, 150) < band(clean, 0, 150) - 20 and band(found, 6000, 12_000) < band(clean, 6000, 12_000) - 20


def test_speech_of_a_few_samples_goes_through():
    assert len(coded(np.full(7, 0.1, np.float32), RATE, "opus")) == 7
    assert len(telephone_band(np.full(7, 0.1, np.float32), RATE)) == 7


def test_a_decoder_that_leaves_out_the_beginning_costs_no_speech(monkeypatch):
    from kespeechchat.scenes import codecs

    monkeypatch.setattr(codecs, "_there_and_back", lambda samples, name, codec: samples[300:])
    codecs._delay.cache_clear()
    clean = speech(1.0, rate=24_000)
    assert codecs._delay("mp3") == -300
    assert np.allclose(coded(clean, 24_000, "mp3"), clean, atol=1e-6)
    codecs._delay.cache_clear()


def test_a_codec_that_ffmpeg_lacks_is_named(monkeypatch):
    from kespeechchat.scenes import codecs

    lacking = codecs._Codec("no_such_encoder", "wav", 8000)
    monkeypatch.setitem(codecs._CODECS, "g726", lacking)
    codecs._delay.cache_clear()
    with pytest.raises(SceneError, match="codec g726: this FFmpeg cannot encode it"):
        coded(speech(0.2, rate=RATE), RATE, "g726")
