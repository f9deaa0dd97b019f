"""Centroids are made of an export's agents, and the unit engine reads them."""

from __future__ import annotations

import numpy as np
import pytest

from examples.fit_units import AGENTS, batches, fit
from kespeechchat.config.engines import HubertUnitsSettings
from kespeechchat.engines.registry import load
from kespeechchat.engines.units.hubert import HubertStates
from kespeechchat.store.audio import write_wav
from tests.engines.test_hubert import folder
from tests.engines.tones import voice

__all__ = ["folder"]


def test_batches_lose_no_frame():
    parts = [np.full((n, 2), n, dtype=np.float32) for n in (3, 1, 7, 2)]
    made = list(batches(iter(parts), 5))
    assert [len(m) for m in made] == [11, 2]
    assert np.array_equal(np.concatenate(made), np.concatenate(parts))


@pytest.mark.model
def test_the_engine_reads_what_was_fitted(folder, tmp_path, capsys):
    for number in range(3):
        write_wav(tmp_path / AGENTS.replace("*", str(number)), voice(2.0, seed=number))
    (tmp_path / AGENTS.replace("*", "torn")).write_bytes(b"no audio")
    to = tmp_path / "km.npy"
    settings = {"use": "hubert", "model": str(folder), "layer": 1, "centroids": str(to), "device": "cpu"}
    hubert = HubertStates(HubertUnitsSettings(**settings))
    files = sorted(tmp_path.glob(AGENTS))
    np.save(to, fit(hubert, files, 8, hours=1))
    assert "torn_1_mark.wav" in capsys.readouterr().err
    engine = load(HubertUnitsSettings(**settings))
    (units,) = engine.units([voice(2.0, seed=0)])
    assert engine.size == 8 and len(units) == 99 and len(set(units.tolist())) > 2
    assert np.array_equal(np.load(to), fit(hubert, files, 8, hours=1))
    with pytest.raises(SystemExit, match="297 frames of speech make no 4000 clusters"):
        fit(hubert, files, 4000, hours=1)
