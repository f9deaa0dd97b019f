"""WavLM's real code on a tiny checkpoint with random weights, made here."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from kespeechchat.config.engines import WavLMSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.speaker import load
from kespeechchat.records import RowError
from kespeechchat.waveform import resample
from tests.engines import tiny_models
from tests.engines.tones import unusable, voice

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.wavlm(tmp_path_factory.mktemp("wavlm"))


@pytest.fixture(scope="module")
def engine(folder):
    return _load(folder)


def _load(folder, **more):
    return load(WavLMSettings(use="wavlm", model=str(folder), device="cpu", **more))


def test_vectors_are_unit_and_the_models_own(engine, folder):
    import torch
    from transformers import AutoFeatureExtractor, WavLMForXVector

    audio = voice(1.3)
    (vector,) = engine.xvectors([audio])
    assert vector.shape == (engine.size,) == (64,) and vector.dtype == np.float32
    inputs = AutoFeatureExtractor.from_pretrained(folder)(audio.samples, sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        raw = WavLMForXVector.from_pretrained(folder).eval()(**inputs).embeddings[0].numpy()
    np.testing.assert_allclose(vector, raw / np.linalg.norm(raw), atol=1e-5)


def test_batch_and_order_change_nothing(folder):
    audios = [voice(s, seed=i) for i, s in enumerate((0.4, 1.0, 2.03, 1.0, 1.02, 0.77, 2.0))]
    alone = [_load(folder, batch=1).xvectors([a])[0] for a in audios]
    together = _load(folder, batch=4).xvectors(audios)
    backwards = _load(folder, batch=3).xvectors(audios[::-1])[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(backwards, alone, atol=1e-4)
    assert len({v.tobytes() for v in alone}) == len(audios)


def test_other_rates_are_resampled(engine):
    audio = voice(1.5, rate=24_000)
    np.testing.assert_allclose(*engine.xvectors([audio, resample(audio, 16_000)]), atol=1e-5)


def test_what_cannot_be_embedded_fails_alone(engine):
    good = voice(1.0)
    out = engine.xvectors([*unusable(), voice(0.39), good])
    assert [isinstance(x, RowError) for x in out] == [True] * 6 + [False]
    assert "0.4 s" in out[5].message
    np.testing.assert_allclose(out[6], engine.xvectors([good])[0], atol=1e-4)


def test_a_missing_model_says_what_to_fetch_and_where(tmp_path):
    with pytest.raises(EngineError) as error:
        _load(tmp_path / "wavlm")
    for part in (str(tmp_path / "wavlm"), "hf download microsoft/wavlm-base-plus-sv", "--local-dir"):
        assert part in str(error.value)


@pytest.mark.parametrize("file", ["preprocessor_config.json", "model.safetensors"])
def test_a_folder_without_a_file(folder, tmp_path, file):
    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / file).unlink()
    with pytest.raises(EngineError, match=file):
        _load(copy)


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_damaged_file(folder, tmp_path, file):
    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / file).write_bytes(b"{ not this")
    with pytest.raises(EngineError, match=f"speaker.use: wavlm: {copy} does not load as"):
        _load(copy)


def test_a_model_without_an_xvector_head_is_refused(folder, tmp_path):
    from transformers import WavLMConfig, WavLMModel

    copy = shutil.copytree(folder, tmp_path / "model")
    WavLMModel(WavLMConfig(**tiny_models.SPEECH_ENCODER)).save_pretrained(copy)
    with pytest.raises(EngineError, match=r"lacks \d+ weights.*another model"):
        _load(copy)


def test_a_gpu_that_is_not_there(folder, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match="sees no GPU"):
        load(WavLMSettings(use="wavlm", model=str(folder), device="cuda"))
