import numpy as np
import pytest

from kespeechchat.config.engines import PerthSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.records import Audio, RowError
from kespeechchat.store.audio import decode, encode_flac
from kespeechchat.waveform import resample

pytestmark = pytest.mark.model


THRESHOLD = PerthSettings(use="perth").threshold


@pytest.fixture(scope="module")
def engine():
    return load(PerthSettings(use="perth"))


@pytest.mark.parametrize("rate", [16000, 22050, 24000])
def test_mark_is_found_after_flac_and_never_on_clean_speech(engine, spoken, rate):
    clean = [resample(s.audio, rate) for s in spoken]
    marked = engine.embed(clean)
    stored = [decode(encode_flac(a)) for a in marked]
    for before, after in zip(clean, marked, strict=True):
        assert after.sample_rate == rate and len(after.samples) == len(before.samples)
        assert after.samples.dtype == np.float32 and np.abs(after.samples).max() <= 1
    assert min(d.score for d in engine.detect(stored)) >= THRESHOLD
    assert max(d.score for d in engine.detect([decode(encode_flac(a)) for a in clean])) < THRESHOLD


def test_mark_survives_resampling_and_a_cut(engine, spoken):
    marked = engine.embed([s.audio for s in spoken])
    harmed = [resample(a, 16000) for a in marked] + [Audio(a.samples[3000:], a.sample_rate) for a in marked]
    assert min(d.score for d in engine.detect(harmed)) >= THRESHOLD


def test_marking_repeats_and_is_quiet(spoken, capfd):
    first, second = (load(PerthSettings(use="perth")).embed([s.audio for s in spoken[:2]]) for _ in range(2))
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first, second, strict=True))
    out, err = capfd.readouterr()
    assert out == err == ""


def test_what_cannot_carry_a_mark(engine):
    empty, short, silent = (Audio(np.zeros(n, np.float32), 24000) for n in (0, 1000, 48000))
    assert all(isinstance(r, RowError) for r in engine.embed([empty, short, silent]))
    assert [type(r) for r in engine.detect([empty, short])] == [RowError, RowError]
    assert engine.detect([silent])[0].score == 0.0


def test_a_payload_is_refused(engine, spoken):
    with pytest.raises(EngineError, match="no payload"):
        engine.embed([spoken[0].audio], payload="00ff")
