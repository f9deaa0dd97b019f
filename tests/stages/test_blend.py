"""`blend` with a table of voices; and what it says of a corpus that gives no pair."""

from __future__ import annotations

import numpy as np
import pytest

from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.engines.speaker import VoiceTable
from kespeechchat.stages.base import Task
from kespeechchat.stages.blend import Blend

FEW = (
    "stages.blend.blending.users={train: 8, dev: 0, test: 0}",
    "stages.blend.blending.voices_per_pair=4",
    "stages.blend.blending.oversample=1.0",
    "stages.blend.blending.least_spare=0",
)


class _Table:
    """Twelve voices a language and gender."""

    def voices(self, language: str, gender: str) -> VoiceTable:
        rng = np.random.default_rng([len(language), len(gender)])
        vectors = rng.normal(size=(12, 8)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return VoiceTable(rng.normal(size=(12, 3)).astype(np.float32), vectors, np.linspace(0.05, 0.1, 12))


def person(i: int, gender: str, split: str = "train") -> dict:
    vector = np.random.default_rng(i).normal(size=8).astype(np.float32)
    return {
        "id": f"p{i}",
        "recording": f"p{i}",
        "language": "en",
        "gender": gender,
        "split": split,
        "seconds_per_character": 0.07,
        "tts_embedding": np.zeros(3, np.float32),
        "xvector": vector / np.linalg.norm(vector),
    }


def made(quickstart, people: list[dict], *settings: str) -> list[dict]:
    stage = Blend(load_pipeline(quickstart, (*FEW, *settings)))
    stage.table = _Table()
    return [outcome.row for outcome in stage.process(Task(0, None, people))]


def test_few_people_give_many_voices(quickstart):
    rows = made(quickstart, [person(i, ("female", "male")[i % 2]) for i in range(6)])
    assert len(rows) == 8 + 2 * 3
    assert len({tuple(row["embedding"]) for row in rows}) == len(rows)
    assert {len(set(row["parents"])) for row in rows} == {2}


def test_an_embedder_without_a_table_is_refused(quickstart):
    plain = "engines.embedder.mixes={use: kokoro_projection}"
    with pytest.raises(
        ConfigError, match=r"blending\.spread: the embedder 'mixes' has no table of voices.*kokoro_mixes"
    ):
        Blend(load_pipeline(quickstart, (plain,))).setup()


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ([person(0, "female")], r"no two of the 1 mined speakers are so \(1 en female train\): add speakers"),
        ([person(0, "female"), person(1, "male")], r"1 en female train, 1 en male train"),
        ([person(0, "female"), person(1, "female", "test")], r"mining\.splits"),
    ],
)
def test_people_who_make_no_pair_are_an_error_with_the_cure(quickstart, people, said):
    with pytest.raises(ConfigError, match=said):
        made(quickstart, people)


def test_nobody_mined_is_nobody_blended(quickstart):
    assert made(quickstart, []) == []


def test_a_corpus_of_one_gender_has_its_voices(quickstart):
    rows = made(quickstart, [person(i, "female") for i in range(4)], "stages.blend.blending.allow_fewer=true")
    assert {row["gender"] for row in rows} == {"female"}
