"""The gender probe on two stock voices that took no part in making it, at their own and at each other's pitch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.engines import KokoroSettings, ProbeGenderSettings
from kespeechchat.engines.gender.probe import shipped, verdict
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro_styles import style
from kespeechchat.records import Audio, RowError

SETTINGS = ProbeGenderSettings(use="probe", at_least=0.7, against_pitch=0.9)
WOMAN, MAN = "af_bella", "bm_george"  # HELD_OUT of scripts/derive_gender_probe.py
TEXT = "The shop on the corner sells fresh bread and butter."


@pytest.mark.parametrize(
    ("female", "pitch", "gender"),
    [
        (0.8, "female", "female"),
        (0.8, "unknown", "female"),
        (0.8, "male", "unknown"),
        (0.95, "male", "female"),
        (0.6, "female", "unknown"),
        (0.2, "male", "male"),
        (0.2, "female", "unknown"),
        (0.05, "female", "male"),
        (0.5, "unknown", "unknown"),
    ],
)
def test_the_probe_needs_to_be_surer_against_pitch(female, pitch, gender):
    said = verdict(female, pitch, SETTINGS)
    assert said.gender == gender
    assert said.score == (0 if gender == "unknown" else pytest.approx(max(female, 1 - female)))


@given(st.floats(0, 1), st.sampled_from(["female", "male", "unknown"]))
def test_both_genders_are_treated_alike(female, pitch):
    other = {"female": "male", "male": "female", "unknown": "unknown"}
    said, mirrored = verdict(female, pitch, SETTINGS), verdict(1 - female, other[pitch], SETTINGS)
    assert said.gender == other[mirrored.gender] or female == 0.5


def test_the_shipped_probe_gives_probabilities():
    probe = shipped()
    assert probe.weights.shape == (768,) and np.isfinite(probe.weights).all() and np.isfinite(probe.bias)
    loud = 1e6 * np.sign(probe.weights).astype(np.float32)
    assert probe.female(loud) == 1 and probe.female(-loud) == 0


@pytest.fixture(scope="module")
def engine():
    return load(ProbeGenderSettings(use="probe"))


@pytest.mark.model
def test_voices_never_heard_before(engine):
    from kespeechchat.engines.tts.kokoro import Kokoro

    woman, man = style({WOMAN: 1.0}), style({MAN: 1.0})
    high_man = np.concatenate([man[:128], woman[128:]])
    said = Kokoro(KokoroSettings(use="kokoro")).speak([Utterance(TEXT, "en", s, 0) for s in (woman, man, high_man)])
    found = engine.classify(said)
    assert [f.gender for f in found[:2]] == ["female", "male"]
    assert found[2].gender != "female"
    assert engine.classify(said[::-1])[::-1] == found  # neither order nor batch
    quiet = Audio(0.05 * said[0].samples, said[0].sample_rate)
    assert engine.classify([quiet])[0].gender == "female"


@pytest.mark.model
def test_what_is_no_voice_has_no_gender(engine):
    rng = np.random.default_rng(0)
    noise = Audio(rng.normal(0, 0.1, 48_000).astype(np.float32), 16_000)
    hiss = Audio(np.cumsum(rng.normal(0, 0.01, 48_000)).clip(-1, 1).astype(np.float32), 16_000)
    for found in engine.classify([noise, hiss]):
        assert isinstance(found, RowError) or found.gender == "unknown"
    broken = [Audio(x, 16_000) for x in (np.zeros(16_000, np.float32), np.full(16_000, np.nan, np.float32))]
    assert all(isinstance(found, RowError) for found in engine.classify(broken))


@pytest.mark.model
def test_its_record_names_the_numbers_and_the_encoder(engine):
    identity = engine.identity()
    assert shipped().digest in identity["model"] and identity["encoder.model"].startswith("package:resemblyzer==")
