"""DistillMOS: the score is the library's own at every length, though silence is not computed again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.engines import AllMOSSettings, DistillMOSSettings, DNSMOSSettings
from kespeechchat.engines.registry import load
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import resample
from tests.engines.tones import unusable, voice

RATE, WINDOW = 16_000, 122_880


def windows(*given):
    pytest.importorskip("distillmos")
    from kespeechchat.engines.mos.distillmos import windows

    return windows(*given)


@pytest.fixture(scope="module")
def engine():
    return load(DistillMOSSettings(use="distillmos", device="cpu"))


@given(st.integers(1, 40 * RATE), st.none() | st.integers(1, 5))
def test_windows_cover_the_clip_from_its_start_to_its_end(length, most):
    samples = np.arange(length, dtype=np.float32)
    cuts = windows(samples, most)
    assert cuts[0][0] == 0 and all(len(cut) == min(length, WINDOW) for cut in cuts)
    assert most is None or len(cuts) <= most
    if most is None:
        starts = [int(cut[0]) for cut in cuts]
        assert cuts[-1][-1] == length - 1
        assert all(0 < b - a <= RATE + 1 for a, b in pairwise(starts))


@pytest.mark.model
@pytest.mark.parametrize("seconds", [0.1, 0.105, 1.0, 2.503, 7.5, 7.6, 7.68, 7.7, 9.3])
def test_a_score_is_the_librarys_own(engine, seconds):
    import torch
    from distillmos import ConvTransformerSQAModel

    library = ConvTransformerSQAModel().eval()
    audio = voice(seconds, RATE, seed=3)
    with torch.inference_mode():
        want = float(library(torch.from_numpy(audio.samples)[None])[0, 0])
    assert engine.score([audio])[0]["distillmos"] == pytest.approx(want, abs=1e-4)


@pytest.mark.model
def test_scores_stand_alone_and_level_does_not_matter(engine):
    audios = [voice(s, 24_000, seed=i) for i, s in enumerate((0.5, 1.1, 0.5))]
    together = engine.score(audios)
    assert together == [engine.score([a])[0] for a in audios] == engine.score(audios[::-1])[::-1]
    soft = [Audio(a.samples * np.float32(0.1), a.sample_rate) for a in audios]
    for loud, quiet in zip(together, engine.score(soft), strict=True):
        assert quiet["distillmos"] == pytest.approx(loud["distillmos"], abs=0.01)


@pytest.mark.model
def test_speech_is_rated_over_noise(engine, spoken):
    speech = resample(spoken[0].audio, RATE)
    noise = np.random.default_rng(0).normal(0, 0.1, len(speech.samples)).astype(np.float32)
    good, bad = engine.score([speech, Audio(noise, RATE)])
    assert good["distillmos"] > 3.5 > 2.5 > bad["distillmos"]


@pytest.mark.model
def test_what_cannot_be_scored_fails_alone_also_beside_other_heads(engine):
    out = engine.score([*unusable(), voice(0.3)])
    assert [isinstance(x, RowError) for x in out] == [True] * 5 + [False]
    both = load(AllMOSSettings(use="all", engines=(DNSMOSSettings(use="dnsmos", windows=1), {"use": "distillmos"})))
    good, bad = both.score([voice(0.5), unusable()[0]])
    assert set(good) == {"dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808", "distillmos"}
    assert isinstance(bad, RowError) and {"distillmos.model", "dnsmos.model"} <= set(both.identity())
