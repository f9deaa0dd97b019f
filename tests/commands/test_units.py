"""Stage 2 of `ke-omni` with its real engine: HuBERT (tiny, random weights)."""

from __future__ import annotations

import numpy as np
import pytest

from kespeechchat.commands.units import units_reader
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.records import Audio, RowError


def _pipeline(quickstart, *engines: str):
    units = ", ".join(engines)
    return load_pipeline(quickstart, (f"engines.units={{{units}}}",) if engines else ())


def test_no_unit_engine_no_reader(quickstart):
    assert units_reader(_pipeline(quickstart)) is None


def test_several_are_refused(quickstart):
    with pytest.raises(ConfigError, match=r"engines\.units: a, b: name one"):
        units_reader(_pipeline(quickstart, *(f"{n}: {{use: hubert, model: m, centroids: c}}" for n in "ab")))


@pytest.mark.model
def test_units_of_one_utterance(quickstart, tmp_path):
    import torch
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    HubertModel(HubertConfig(**shape, conv_dim=(16,) * 7, num_conv_pos_embeddings=16)).save_pretrained(tmp_path)
    np.save(tmp_path / "c.npy", np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32))
    engine = f"own: {{use: hubert, model: {tmp_path}, centroids: {tmp_path}/c.npy, layer: 1, device: cpu}}"
    reader = units_reader(_pipeline(quickstart, engine))
    rng = np.random.default_rng(1)
    good, bad = Audio(rng.normal(0, 0.05, 32000).astype(np.float32), 16000), Audio(np.zeros(0, np.float32), 16000)
    units, fault = reader.units([good, bad])
    assert reader.size == 8 and len(units) == 99 and set(units.tolist()) <= set(range(8))
    assert isinstance(fault, RowError) and reader.settings.keys() == {"units"}
