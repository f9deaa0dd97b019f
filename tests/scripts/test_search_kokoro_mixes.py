"""The shipped table of mixes is what the search draws, and its weights are mixes of the stock voices it says."""

from __future__ import annotations

import json
from importlib import resources
from types import ModuleType

import numpy as np
import pytest

from kespeechchat.engines.tts.kokoro_styles import table
from tests.scripts.loaded import script


@pytest.fixture(scope="module")
def search() -> ModuleType:
    return script("search_kokoro_mixes")


@pytest.fixture(scope="module")
def shipped() -> dict[str, np.ndarray]:
    source = resources.files("kespeechchat.engines.tts").joinpath("kokoro_mixes.npz")
    with source.open("rb") as file, np.load(file, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def test_every_voice_of_the_table_is_one_that_the_search_draws(search, shipped):
    for language, gender in search.CELLS:
        drawn = [np.concatenate(search.mix(language, gender, n)).astype(np.float32) for n in range(200)]
        here = (shipped["languages"] == language) & (shipped["genders"] == gender)
        for voice in np.concatenate([shipped["acoustic"], shipped["prosodic"]], axis=1)[here]:
            assert min(np.abs(voice - one).max() for one in drawn) < 1e-6


def test_rhythm_is_of_the_voices_own_language_and_sound_of_its_gender(shipped):
    stock = table()
    assert shipped["xvectors"].shape == (len(shipped["languages"]), 256)
    for half in ("acoustic", "prosodic"):
        np.testing.assert_allclose(shipped[half].sum(axis=1), 1, atol=1e-5)
    for i, (language, gender) in enumerate(zip(shipped["languages"], shipped["genders"], strict=True)):
        rhythm = np.flatnonzero(np.abs(shipped["prosodic"][i]) > 1e-6)
        assert set(rhythm) <= set(stock.rows(language, gender)) and len(rhythm) <= 2
        assert set(np.flatnonzero(np.abs(shipped["acoustic"][i]) > 1e-6)) <= set(stock.rows(None, gender))


def test_a_stock_voice_is_itself_in_both_halves(search):
    sound, rhythm = search.stock_voice("zh", "male", 0)
    np.testing.assert_array_equal(sound, rhythm)
    assert table().languages[int(sound.argmax())] == "zh"
    assert search.stock_voice("zh", "male", 4) is None


def test_voices_that_were_heard_again_stay_where_they_are_clear_and_as_natural_as_stock_voices(
    search, tmp_path, capsys
):
    def heard(halves, edits: int, distillmos: float = 4.0, ovrl: float = 3.0) -> None:
        found = {
            "edits": [0, edits],
            "units": [30, 30],
            "distillmos": [distillmos],
            "ovrl": [ovrl],
            "xvector": [1.0],
            "seconds_per_character": 0.2,
        }
        search.again_file(tmp_path, halves).write_text(json.dumps(found))

    for gender in ("female", "male"):
        for voice in search.stock_voices("zh", gender):
            heard(voice, 9)
    weights = np.eye(54, dtype=np.float32)[:5]
    table = {name: weights for name in ("acoustic", "prosodic")}
    table |= {"xvectors": np.zeros((5, 1)), "seconds_per_character": np.zeros(5)}
    for voice, found in zip(search.halves_of(table), ((3,), (4,), (0, 3.9), (0, 4.1, 2.9), (0, 4.1)), strict=True):
        heard(voice, *found)
    kept = search.weeded(tmp_path, "zh", "female", table)
    np.testing.assert_array_equal(kept["acoustic"], weights[[0, 4]])
    np.testing.assert_array_equal(kept["xvectors"], [[1], [1]])
    np.testing.assert_allclose(kept["seconds_per_character"], 0.2)
    assert "5 heard again, 4 clear, 2 of them good" in capsys.readouterr().out


def test_the_stock_voice_that_slurs_is_not_heard_again(search):
    assert len(search.stock_voices("zh", "female")) == 3 and len(search.stock_voices("zh", "male")) == 4
