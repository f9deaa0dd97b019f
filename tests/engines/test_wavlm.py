"""WavLM's real code on a tiny checkpoint with random weights, made here."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from kespeechchat.config.engines import WavLMSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from tests.engines import tiny_models
from tests.engines.batched_encoder import BatchedEncoder
from tests.engines.tones import voice

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


class TestBatches(BatchedEncoder):
    load = staticmethod(_load)


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
