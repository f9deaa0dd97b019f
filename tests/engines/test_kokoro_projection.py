"""The projection: a stock voice finds itself, mixes stay convex and inside their language and gender."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.engines import KokoroProjectionSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.speaker.kokoro_projection import mix_weights
from kespeechchat.engines.tts.kokoro_styles import table
from kespeechchat.records import RowError


@pytest.fixture(scope="module")
def embedder():
    return load(KokoroProjectionSettings(use="kokoro_projection"))


def vector(seed: int) -> np.ndarray:
    """A non-negative unit vector, as the encoder's are."""
    raw = np.abs(np.random.default_rng(seed).normal(size=256))
    return (raw / np.linalg.norm(raw)).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), ridge=st.sampled_from([0.0, 0.1, 1.0]))
def test_weights_are_convex(seed, ridge):
    stock = table()
    for rows in (stock.rows(), stock.rows("zh", "male")):
        weights = mix_weights(vector(seed), stock, rows, ridge)
        assert (weights >= 0).all() and weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["af_heart", "bm_lewis", "zf_xiaoxiao", "zm_yunyang"])
def test_a_stock_voice_finds_itself(embedder, name):
    stock = table()
    i = stock.index(name)
    language, gender = stock.languages[i], stock.genders[i]
    (found,) = embedder.embed([None], [stock.xvectors[i]], language=language, genders=[gender])
    assert found.dtype == np.float32 and found.shape == (256,)
    np.testing.assert_allclose(found, stock.styles[i], atol=1e-3)


def test_the_mix_stays_inside_language_and_gender(embedder):
    stock = table()
    (found,) = embedder.embed([None], [vector(1)], language="zh", genders=["female"])
    rows = stock.styles[stock.rows("zh", "female")]
    assert (found >= rows.min(axis=0) - 1e-5).all() and (found <= rows.max(axis=0) + 1e-5).all()


def test_an_unknown_gender_uses_both(embedder):
    stock = table()
    i = stock.index("zm_yunxi")
    (found,) = embedder.embed([None], [stock.xvectors[i]], language="zh", genders=["unknown"])
    np.testing.assert_allclose(found, stock.styles[i], atol=1e-3)


def test_broken_vectors(embedder):
    good = vector(2)
    out = embedder.embed([None] * 3, [good * np.nan, good, np.zeros(256, np.float32)])
    assert [isinstance(x, RowError) for x in out] == [True, False, True]
    with pytest.raises(EngineError, match="resemblyzer"):
        embedder.embed([None], [np.zeros(512, np.float32)])
