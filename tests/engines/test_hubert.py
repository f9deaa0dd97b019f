"""HuBERT's real code on a tiny checkpoint with random weights, and centroids taken from its own states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.engines import HubertUnitsSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.units import RATE
from kespeechchat.engines.units.hubert import FIELD, HOP, SAMPLE_RATE, pieces
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import resample
from tests.engines.tiny_models import SPEECH_ENCODER
from tests.engines.tones import unusable, voice


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    model = HubertModel(HubertConfig(**SPEECH_ENCODER)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith("feature_extractor"):
                weight.normal_(0, 0.3)
        path = tmp_path_factory.mktemp("hubert")
        model.save_pretrained(path)
        speech = torch.from_numpy(voice(4.0, seed=5).samples)[None]
        states = model(speech, output_hidden_states=True).hidden_states[1][0].numpy()
    np.save(path / "centroids.npy", states[::8])
    return path


def _load(folder, **more):
    given = {"model": str(folder), "centroids": str(folder / "centroids.npy"), "layer": 1, "device": "cpu"}
    return load(HubertUnitsSettings(use="hubert", **given | more))


@pytest.mark.model
def test_units_are_the_nearest_centroids_of_the_layer(folder):
    import torch
    from transformers import HubertModel

    engine, audio = _load(folder), voice(3.0)
    (units,) = engine.units([audio])
    model = HubertModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        hidden = model(torch.from_numpy(audio.samples)[None], output_hidden_states=True).hidden_states[1][0].numpy()
    table = np.load(folder / "centroids.npy")
    np.testing.assert_array_equal(units, np.square(hidden[:, None] - table[None]).sum(-1).argmin(-1))
    assert units.dtype == np.int32 and len(set(units.tolist())) > 3 and units.max() < engine.size == len(table)
    assert abs(len(units) - RATE * audio.seconds) <= 1


@pytest.mark.model
def test_chunks_neither_lose_nor_double_a_frame(folder):
    audio = voice(5.0, seed=3)
    (whole,) = _load(folder, chunk=0).units([audio])
    (chunked,) = _load(folder, chunk=1.0, context=0.5).units([audio])
    assert len(chunked) == len(whole)
    assert (chunked == whole).mean() > 0.6  # a random network looks far; a trained one's context is short


@pytest.mark.model
def test_neighbours_rates_and_faults(folder):
    engine, good = _load(folder), voice(1.0, rate=24_000)
    out = engine.units([*unusable(), good, Audio(good.samples[:300], 24_000)])
    assert [isinstance(x, RowError) for x in out] == [True] * 5 + [False, True]
    np.testing.assert_array_equal(out[5], engine.units([resample(good, SAMPLE_RATE)])[0])
    assert {"model", "centroids", "layer", "transformers"} <= set(engine.identity())


@given(st.integers(FIELD, 20 * SAMPLE_RATE), st.integers(1, 300), st.integers(0, 60))
def test_pieces_cover_every_frame_once(samples, chunk, context):
    frames = (samples - FIELD) // HOP + 1
    taken = []
    for start, end, skip, take in pieces(frames, chunk, context):
        assert 0 <= start < end <= samples and start % HOP == 0
        assert skip + take <= (end - start - FIELD) // HOP + 1
        taken += range(start // HOP + skip, start // HOP + skip + take)
    assert taken == list(range(frames))


@pytest.mark.model
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": 3}, "layer: 3, but the model has 2"),
        ({"centroids": "nowhere.npy"}, "nowhere.npy"),
        ({"model": "nowhere"}, "hf download facebook/hubert"),
    ],
)
def test_what_does_not_fit_is_named(folder, change, message):
    with pytest.raises(EngineError, match=message):
        _load(folder, **change)


@pytest.mark.model
def test_centroids_of_another_model(folder, tmp_path):
    np.save(tmp_path / "c.npy", np.zeros((10, 31), np.float32))
    with pytest.raises(EngineError, match=r"shape \[10, 31\]; this model needs finite \[K, 32\]"):
        _load(folder, centroids=str(tmp_path / "c.npy"))
