"""Tokens engines: Whisper's real encoder and a real k-means; HuBERT and CosyVoice's tokenizer on random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.engines import HubertTokensSettings, S3TokensSettings, WhisperTokensSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.tokens.kmeans import fitted, nearest
from kespeechchat.records import Audio, RowError
from tests.engines.tones import unusable, voice


@given(st.integers(2, 20), st.integers(1, 40), st.integers(0, 99))
def test_the_nearest_centroid_is_the_nearest(clusters: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centroids, vectors = rng.normal(size=(clusters, 8)), rng.normal(size=(count, 8))
    centroids, vectors = centroids.astype(np.float32), vectors.astype(np.float32)
    distances = np.square(vectors[:, None] - centroids[None]).sum(-1)
    found = nearest(vectors, centroids)
    assert found.dtype == np.int32
    np.testing.assert_allclose(distances[np.arange(count), found], distances.min(1), rtol=1e-4)


def test_a_codebook_finds_what_is_there_and_says_what_is_too_little() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 10, (5, 6))
    vectors = (centres[rng.integers(0, 5, 400)] + rng.normal(0, 0.1, (400, 6))).astype(np.float32)
    found = fitted(vectors, 5, 0)
    assert np.abs(found[:, None] - centres[None]).sum(-1).min(0).max() < 0.5
    with pytest.raises(ValueError, match="3 frames of speech make no 5 clusters"):
        fitted(vectors[:3], 5, 0)


@pytest.fixture(scope="module")
def codebook(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("codebook") / "c.npy"
    np.save(path, np.random.default_rng(0).normal(size=(16, 512)).astype(np.float32))
    return path


@pytest.mark.model
@pytest.mark.parametrize("rate", [50, 25, 12.5, 6.25])
def test_whisper_gives_as_many_tokens_as_its_rate(codebook: Path, rate: float) -> None:
    engine = load(WhisperTokensSettings(use="whisper", centroids=str(codebook), rate=rate))
    short, long = voice(1.3), voice(25.0)
    found = engine.tokens([short, long, *unusable()])
    assert (engine.rate, engine.size, engine.codebooks, engine.deterministic) == (rate, 16, 1, True)
    for audio, tokens in zip((short, long), found[:2], strict=True):
        assert tokens.dtype == np.int32 and len(tokens) == 1
        assert tokens.shape[1] == np.ceil(np.ceil(audio.seconds * 50) * rate / 50)
        assert set(tokens[0].tolist()) <= set(range(16))
    assert all(isinstance(one, RowError) for one in found[2:])
    (alone,) = engine.tokens([short])
    np.testing.assert_array_equal(alone, found[0])
    assert {"model", "centroids", "rate"} <= set(engine.identity())


@pytest.mark.model
def test_whisper_says_what_is_wrong_with_its_codebook(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="none is fitted yet: `kesc interleave` fits"):
        load(WhisperTokensSettings(use="whisper"))
    np.save(tmp_path / "c.npy", np.zeros((16, 10), np.float32))
    with pytest.raises(EngineError, match=r"has shape \[16, 10\]; this model needs finite \[K, 512\]"):
        load(WhisperTokensSettings(use="whisper", centroids=str(tmp_path / "c.npy")))
    (tmp_path / "d.npy").write_bytes(b"nothing")
    with pytest.raises(EngineError, match="cannot be read as a"):
        load(WhisperTokensSettings(use="whisper", centroids=str(tmp_path / "d.npy")))
    with pytest.raises(EngineError, match="does not load as a CTranslate2 Whisper model"):
        load(WhisperTokensSettings(use="whisper", model=str(tmp_path), centroids=str(tmp_path / "c.npy")))


@pytest.mark.model
def test_hubert_gives_its_units(tmp_path: Path) -> None:
    import torch
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    HubertModel(HubertConfig(**shape, conv_dim=(16,) * 7, num_conv_pos_embeddings=16)).save_pretrained(tmp_path)
    np.save(tmp_path / "c.npy", np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32))
    named = {"model": str(tmp_path), "centroids": str(tmp_path / "c.npy"), "layer": 1, "device": "cpu"}
    engine = load(HubertTokensSettings(use="hubert", **named))
    good, bad = engine.tokens([voice(2.0), Audio(np.zeros(0, np.float32), 16000)])
    assert (engine.rate, engine.size, engine.codebooks) == (50.0, 8, 1)
    assert good.shape == (1, 99) and isinstance(bad, RowError)


def tokenizer(path: Path, top: int, stride: int) -> Path:
    """An ONNX file with the inputs and the output of CosyVoice's tokenizers: a strided convolution of random weights,
    the greatest of `top` channels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(0, 1, (top, 128, stride)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["feats", "w"], ["c"], strides=[stride], kernel_shape=[stride]),
        helper.make_node("ArgMax", ["c"], ["found"], axis=1, keepdims=0),
        helper.make_node("Cast", ["feats_length"], ["unused"], to=TensorProto.INT64),
        helper.make_node("Cast", ["found"], ["indices"], to=TensorProto.INT32),
    ]
    given = [
        helper.make_tensor_value_info("feats", TensorProto.FLOAT, [1, 128, "T"]),
        helper.make_tensor_value_info("feats_length", TensorProto.INT32, [1]),
    ]
    out = [helper.make_tensor_value_info("indices", TensorProto.INT32, None)]
    graph = helper.make_graph(nodes, "t", given, out, [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


@pytest.mark.model
def test_cosyvoices_tokenizer_runs_as_its_frontend_runs_it(tmp_path: Path) -> None:
    path = tokenizer(tmp_path / "t.onnx", 50, 4)
    engine = load(S3TokensSettings(use="s3", model=str(path), rate=25, size=50))
    short, long, *bad = engine.tokens([voice(2.0), voice(31.0), *unusable()])
    assert (engine.rate, engine.codebooks) == (25.0, 1) and short.dtype == np.int32
    assert short.shape == (1, 50) and abs(long.shape[1] - 31 * 25) <= 2 and len(set(short[0].tolist())) > 3
    assert 0 <= long.min() <= long.max() < 50 and all(isinstance(one, RowError) for one in bad)
    with pytest.raises(EngineError, match=r"gave token \d+, but size is 2: 4096 of version 1"):
        load(S3TokensSettings(use="s3", model=str(path), size=2)).tokens([voice(2.0)])


def test_another_file_is_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "t.onnx").write_bytes(b"nothing")
    with pytest.raises(EngineError, match="is no ONNX model"):
        load(S3TokensSettings(use="s3", model=str(tmp_path / "t.onnx")))
