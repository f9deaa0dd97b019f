"""CAM++'s features and embeddings, on a small random graph with the model's own shape of input."""

from __future__ import annotations

import numpy as np
import pytest

from kespeechchat.config.engines import CAMPlusSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.speaker.campplus import features
from kespeechchat.records import Audio, RowError
from tests.engines import tiny_cosyvoice

RATE = 16_000


def noise(seconds=1.0, rate=RATE, seed=0):
    return Audio(np.random.default_rng(seed).standard_normal(int(seconds * rate)).astype(np.float32) * 0.1, rate)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_cosyvoice.campplus(tmp_path_factory.mktemp("campplus") / "campplus.onnx", seed=3)


@pytest.fixture(scope="module")
def campplus(path):
    return load(CAMPlusSettings(use="campplus", model=str(path)))


def test_features_are_kaldis_without_their_mean():
    import torch
    import torchaudio.compliance.kaldi as kaldi

    samples = noise().samples
    bank = kaldi.fbank(torch.from_numpy(samples)[None], num_mel_bins=80, dither=0, sample_frequency=RATE).numpy()
    mine = features(samples)
    assert mine.dtype == np.float32 and mine.shape == (98, 80)  # 1 + (1000 − 25) // 10 windows of 25 ms
    np.testing.assert_allclose(mine, bank - bank.mean(axis=0), atol=1e-5)
    np.testing.assert_array_equal(mine, features(samples))


def test_features_follow_the_pitch():
    """A tone lights the Mel bin of its frequency: 2595·log10(1 + f/700), 80 bins between 20 Hz and 8 kHz."""
    t = np.arange(RATE) / RATE

    def mel(hertz):
        return 1127 * np.log(1 + hertz / 700)

    for hertz in (300, 1000, 4000):
        burst = np.where(t < 0.5, np.sin(2 * np.pi * hertz * t), 0).astype(np.float32)  # half silent, so not all mean
        bin_ = int(features(burst)[20].argmax())
        expected = (mel(hertz) - mel(20)) / (mel(8000) - mel(20)) * 81 - 1
        assert bin_ == pytest.approx(expected, abs=1)


def test_an_embedding_is_the_graphs_own_and_not_normalized(campplus, path):
    (vector,) = campplus.embed([noise()], [])
    assert vector.shape == (campplus.size,) == (192,) and vector.dtype == np.float32
    weights = np.random.default_rng(3).standard_normal((80, 192)).astype(np.float32)
    np.testing.assert_allclose(vector, (features(noise().samples) ** 2).mean(axis=0) @ weights, rtol=1e-3, atol=1e-4)
    assert np.linalg.norm(vector) > 1.5


def test_a_clip_is_embedded_alone_and_at_any_rate(campplus):
    t = np.arange(48_000) / 48_000
    tone = (0.3 * np.sin(2 * np.pi * 440 * t) + 0.1 * np.sin(2 * np.pi * 1300 * t)).astype(np.float32)
    high, low = Audio(tone, 48_000), Audio(tone[::3].copy(), 16_000)
    together = campplus.embed([high, noise(2.0, seed=1), low], [])
    np.testing.assert_array_equal(together[2], campplus.embed([low], [])[0])
    a, b = together[0], together[2]
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.9


def test_bad_clips_fail_alone(campplus):
    nan = noise()
    nan.samples[5] = np.nan
    bad = [Audio(np.zeros(0, np.float32), RATE), noise(0.2), Audio(np.zeros(RATE, np.float32), RATE), nan]
    stereo = Audio(np.zeros((2, RATE), np.float32), RATE)
    *errors, good = campplus.embed([*bad, stereo, noise()], [])
    assert all(isinstance(e, RowError) for e in errors) and isinstance(good, np.ndarray)
    for error, says in zip(errors, ("empty", "0.200 s", "silent", "NaN", "channel"), strict=True):
        assert says in error.message


def test_a_model_that_is_none(tmp_path):
    def loaded(model):
        return load(CAMPlusSettings(use="campplus", model=str(model)))

    with pytest.raises(EngineError, match=r"campplus\.onnx is missing"):
        loaded(tmp_path)
    (tmp_path / "campplus.onnx").write_bytes(b"nonsense")
    with pytest.raises(EngineError, match="cannot be loaded as an ONNX model"):
        loaded(tmp_path)
    from onnx import TensorProto, helper, save

    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "frames", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "frames", 40])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    save(model, str(tmp_path / "campplus.onnx"))
    with pytest.raises(EngineError, match="CAM\\+\\+ takes one input"):
        loaded(tmp_path)


def test_identity(campplus):
    assert campplus.deterministic and campplus.identity()["model"].startswith("campplus.onnx sample-sha256:")
