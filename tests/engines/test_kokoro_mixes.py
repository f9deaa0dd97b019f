"""The table of mixes: voices that Kokoro can speak with, each of one language and gender."""

from __future__ import annotations

import numpy as np
import pytest

from kespeechchat.config.engines import KokoroMixesSettings, KokoroProjectionSettings
from kespeechchat.engines.registry import load
from kespeechchat.engines.speaker import ManyVoices
from kespeechchat.engines.tts.kokoro_mixes import ACOUSTIC, mixed_styles, mixes
from kespeechchat.engines.tts.kokoro_styles import table

CELLS = [(language, gender) for language in ("en", "zh") for gender in ("female", "male")]


@pytest.fixture(scope="module")
def embedder():
    return load(KokoroMixesSettings(use="kokoro_mixes"))


@pytest.mark.parametrize(("language", "gender"), CELLS)
def test_every_language_and_gender_has_voices(embedder, language, gender):
    assert isinstance(embedder, ManyVoices)
    found = embedder.voices(language, gender)
    assert len(found.embeddings) == len(found.xvectors) == len(found.seconds_per_character)
    # Forty English voices are taken of 48 candidates a gender; few Chinese ones are clear and unlike each other.
    assert len(found.embeddings) >= (48 if language == "en" else 14)
    assert found.embeddings.dtype == found.xvectors.dtype == np.float32
    assert found.embeddings.shape[1] == embedder.size
    np.testing.assert_allclose(np.linalg.norm(found.xvectors, axis=1), 1, atol=1e-5)
    assert len({e.tobytes() for e in found.embeddings}) == len(found.embeddings)


def test_a_language_that_is_not_there_has_none(embedder):
    assert not len(embedder.voices("ja", "female").embeddings)


def test_the_table_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        mixes().styles[0] = 0


def test_the_halves_of_a_style_are_mixed_apart():
    stock = table()
    sound, pitch = (np.eye(len(stock.names))[[stock.index(name)]] for name in ("am_onyx", "zm_yunxi"))
    (mixed,) = mixed_styles(sound, pitch)
    np.testing.assert_allclose(mixed[:ACOUSTIC], stock.styles[stock.index("am_onyx"), :ACOUSTIC], rtol=1e-5)
    np.testing.assert_allclose(mixed[ACOUSTIC:], stock.styles[stock.index("zm_yunxi"), ACOUSTIC:], rtol=1e-5)


def test_the_likeness_of_a_person_is_that_of_the_projection(embedder):
    projection = load(KokoroProjectionSettings(use="kokoro_projection"))
    vector = table().xvectors[3]
    for language, gender in CELLS:
        np.testing.assert_array_equal(
            embedder.embed([None], [vector], language, [gender]), projection.embed([None], [vector], language, [gender])
        )
    assert embedder.identity().items() > projection.identity().items()
