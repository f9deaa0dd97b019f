"""Resemblyzer on Kokoro's speech: unit vectors that know the speaker, whatever the sample rate."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from kespeechchat.config.engines import KokoroSettings, ResemblyzerSettings
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro import Kokoro, style
from kespeechchat.engines.tts.kokoro_styles import table
from kespeechchat.records import Audio, RowError

pytestmark = pytest.mark.model
TEXTS = ("The shop on the corner sells fresh bread.", "I will call you again tomorrow evening.")


@pytest.fixture(scope="module")
def encoder():
    return load(ResemblyzerSettings(use="resemblyzer"))


@pytest.fixture(scope="module")
def speech():
    tts = Kokoro(KokoroSettings(use="kokoro"))
    names = ("af_heart", "am_onyx")
    out = tts.speak([Utterance(t, "en", style({n: 1.0}), 0) for n in names for t in TEXTS])
    return dict(zip(names, (out[:2], out[2:]), strict=True))


def test_unit_vectors_that_tell_speakers_apart(encoder, speech):
    vectors = {name: encoder.xvectors(audios) for name, audios in speech.items()}
    for pair in vectors.values():
        for v in pair:
            assert v.shape == (256,) and v.dtype == np.float32
            assert np.linalg.norm(v) == pytest.approx(1, abs=1e-5)
    same = min(float(a @ b) for a, b in vectors.values())
    different = max(float(a @ b) for a in vectors["af_heart"] for b in vectors["am_onyx"])
    assert same > 0.7 > different  # the pair threshold of docs/voices-quickstart.md


def test_the_shipped_table_knows_its_voices(encoder, speech):
    stock = table()
    for name, audios in speech.items():
        cosines = stock.xvectors @ np.mean(encoder.xvectors(audios), axis=0)
        assert stock.names[int(np.argmax(cosines))] == name


def test_batch_and_sample_rate_do_not_matter(encoder, speech):
    audio = speech["am_onyx"][0]
    together = encoder.xvectors([speech["af_heart"][0], audio])[1]
    (alone,) = encoder.xvectors([audio])
    np.testing.assert_array_equal(together, alone)
    for rate in (16_000, 22_050, 48_000):
        (other,) = encoder.xvectors([Audio(soxr.resample(audio.samples, 24_000, rate), rate)])
        assert float(other @ alone) > 0.98


def test_nothing_to_embed_fails_alone(encoder, speech):
    audio = speech["af_heart"][0]
    empty, short = np.zeros(0, np.float32), audio.samples[6_000:12_000]
    noise = np.full(24_000, np.nan, np.float32)
    silence = np.zeros(24_000, np.float32)
    out = encoder.xvectors([Audio(x, 24_000) for x in (empty, short, noise, silence)] + [audio])
    assert [isinstance(x, RowError) for x in out] == [True] * 4 + [False]
    assert "s of speech" in out[1].message


def test_layers_are_those_of_the_encoders_own_network(encoder, speech):
    import torch
    from resemblyzer.audio import wav_to_mel_spectrogram

    audio = speech["af_heart"][0]
    (layers,) = encoder.layers([audio])
    assert layers.shape == (768,) and layers.dtype == np.float32
    mel = wav_to_mel_spectrogram(encoder._voiced(audio))
    starts = range(0, len(mel) - 159, 80)
    with torch.no_grad():
        last, _ = encoder._encoder.lstm(torch.from_numpy(np.stack([mel[s : s + 160] for s in starts])))
    np.testing.assert_allclose(layers[512:], last.mean(dim=(0, 1)).numpy(), atol=1e-5)
    short = Audio(audio.samples[: audio.sample_rate], audio.sample_rate)
    assert np.isfinite(encoder.layers([short])[0]).all()
    assert isinstance(encoder.layers([Audio(np.zeros(16_000, np.float32), 16_000)])[0], RowError)
