"""UTMOS' real network at its real size; its weights are slices of one small pool of random numbers."""

from __future__ import annotations

import numpy as np
import pytest

from kespeechchat.config.engines import AllMOSSettings, DNSMOSSettings, UTMOSSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.records import RowError
from kespeechchat.waveform import resample
from tests.engines import tiny_models
from tests.engines.tones import unusable, voice

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_models.utmos(tmp_path_factory.mktemp("utmos") / "utmos_state_dict.pt")


@pytest.fixture(scope="module")
def engine(weights):
    return load(UTMOSSettings(use="utmos", model=str(weights), device="cpu"))


def test_scores_stand_alone_and_in_order(engine):
    audios = [voice(s, seed=i) for i, s in enumerate((0.3, 0.6, 0.31))]
    together = engine.score(audios)
    assert together == [engine.score([a])[0] for a in audios] == engine.score(audios[::-1])[::-1]
    assert all(set(score) == {"utmos"} and np.isfinite(score["utmos"]) for score in together)
    assert len({score["utmos"] for score in together}) == 3


def test_the_library_hears_one_utterance(engine):
    import torch

    audio = voice(0.5, rate=24_000)
    heard = torch.from_numpy(resample(audio, 16_000).samples)[None, None]
    assert engine.score([audio])[0]["utmos"] == pytest.approx(float(engine._scorer.score(heard)[0]), abs=1e-4)


def test_what_cannot_be_scored_fails_alone(engine):
    out = engine.score([*unusable(), voice(0.3)])
    assert [isinstance(x, RowError) for x in out] == [True] * 5 + [False]


def test_several_heads_side_by_side(weights):
    parts = (DNSMOSSettings(use="dnsmos", windows=1), UTMOSSettings(use="utmos", model=str(weights), device="cpu"))
    engine = load(AllMOSSettings(use="all", engines=parts))
    good, bad = engine.score([voice(0.5), unusable()[0]])
    assert set(good) == {"dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808", "utmos"}
    assert isinstance(bad, RowError) and engine.deterministic
    assert {"utmos.model", "dnsmos.model"} <= set(engine.identity())
    with pytest.raises(EngineError, match="names utmos more than once"):
        load(AllMOSSettings(use="all", engines=(parts[1], parts[1])))


def test_a_missing_model_says_what_to_fetch_and_where(tmp_path):
    with pytest.raises(EngineError) as error:
        load(UTMOSSettings(use="utmos", model=str(tmp_path / "utmos_state_dict.pt")))
    command = "hf download Blinorot/UTMOS-PyTorch utmos_state_dict.pt --local-dir"
    assert f"{command} {tmp_path}" in str(error.value)


def test_another_models_weights_are_refused(weights, tmp_path):
    import torch

    path = tmp_path / "weights.pt"
    torch.save({"layer.weight": torch.zeros(3)}, path)
    with pytest.raises(EngineError, match=r"lacks \d+ weights of this model"):
        load(UTMOSSettings(use="utmos", model=str(path), device="cpu"))
    path.write_bytes(b"nothing")
    with pytest.raises(EngineError, match="not a state dict"):
        load(UTMOSSettings(use="utmos", model=str(path), device="cpu"))
