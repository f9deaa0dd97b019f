"""SpeechBrain's real EncoderClassifier on a tiny ECAPA with random weights, made here."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

from kespeechchat.config.engines import SpeechBrainSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from tests.engines import tiny_models
from tests.engines.batched_encoder import BatchedEncoder
from tests.engines.tones import voice

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.ecapa(tmp_path_factory.mktemp("speechbrain"))


@pytest.fixture(scope="module")
def engine(folder):
    return _load(folder)


def _load(folder, **more):
    return load(SpeechBrainSettings(use="speechbrain", model=str(folder), device="cpu", **more))


def test_vectors_are_unit_and_repeat(engine, folder):
    audio = voice(1.3)
    (vector,) = engine.xvectors([audio])
    assert vector.shape == (engine.size,) == (24,) and vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(vector, _load(folder).xvectors([audio])[0])


class TestBatches(BatchedEncoder):
    load = staticmethod(_load)


def test_a_missing_model_says_what_to_fetch_and_where(tmp_path):
    with pytest.raises(EngineError) as error:
        _load(tmp_path / "ecapa")
    command = "hf download speechbrain/spkrec-ecapa-voxceleb hyperparams.yaml embedding_model.ckpt --local-dir"
    assert f"{command} {tmp_path}/ecapa" in str(error.value)


def test_a_folder_without_a_file(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / "classifier.ckpt").unlink()
    with pytest.raises(EngineError, match=r"classifier\.ckpt"):
        _load(copy)


def test_weights_of_another_network_are_refused(folder, tmp_path):
    import torch

    copy = shutil.copytree(folder, tmp_path / "model")
    state = torch.load(copy / "embedding_model.ckpt", weights_only=True)
    state.pop("fc.conv.weight")
    torch.save(state, copy / "embedding_model.ckpt")
    with pytest.raises(EngineError, match=r"fc\.conv\.weight"):
        _load(copy)


@pytest.mark.parametrize(
    "line",
    [
        "extra: !apply:os.mkdir [ran]",
        "extra: !new:subprocess.Popen [[touch, ran]]",
        "extra: !name:os.system",
        "extra: !new:speechbrain.lobes.features.torch.os.mkdir [ran]",
        "extra: !include:other.yaml",
        "extra: !!python/object/apply:os.mkdir [ran]",
    ],
)
def test_a_folder_that_would_run_code_is_refused(folder, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    copy = shutil.copytree(folder, tmp_path / "model")
    with (copy / "hyperparams.yaml").open("a", encoding="utf-8") as out:
        out.write(f"\n{line}\n")
    with pytest.raises(EngineError, match="not part of a speaker encoder"):
        _load(copy)
    assert not (tmp_path / "ran").exists()


def test_loaded_modules_can_be_walked(engine):
    for module in list(sys.modules.values()):
        getattr(module, "__file__", None)
