"""A codebook hears each language, whatever order the shards are in."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.commands.interleave import codebook
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.records import Audio, RowError
from kespeechchat.store.audio import encode_flac
from kespeechchat.store.opening import open_store

RATE, LOUD = 16_000, {"en": 0.25, "zh": 0.5}


class Vectors:
    """A vector for each tenth of a second: how loud it is."""

    def __init__(self, settings) -> None:
        pass

    def of(self, audio: Audio) -> np.ndarray:
        return np.full((round(audio.seconds * 10), 1), np.abs(audio.samples).max(), np.float32)


def rows(order) -> list[dict]:
    if order.name not in ("watermark", "gate"):
        return [{"id": f"{order.name}-{order.key.shard}"}]
    sound = encode_flac(Audio(np.full(RATE, LOUD[order.language], np.float32), RATE)) if order.language else b""
    turns = [
        {"role": role, "voice": role, "text": "x", "seconds": 1.0, "sample_rate": RATE} for role in ("user", "agent")
    ]
    if order.name == "watermark":
        turns = [{**turn, "audio": sound} for turn in turns]
    same = {"source": "q", "language": order.language, "split": "train", "turns": turns}
    return [{"id": f"q-{order.key.shard}-{i}", **same} for i in range(3)]


@pytest.fixture
def heard(tmp_path, quickstart, monkeypatch):
    """Fits a codebook on recorded dialogues of 10 English questions for each Chinese one; how loud its frames were."""
    found: list[float] = []

    def keep(table, clusters, seed):
        found.extend(table[:, 0].tolist())
        return table[:clusters]

    monkeypatch.setattr(codebook, "WhisperVectors", Vectors)
    monkeypatch.setattr(codebook, "fitted", keep)

    def fit(share: float) -> list[float]:
        file = questions(tmp_path / "questions.jsonl", 44)
        lines = file.read_text("utf-8").splitlines()
        english, chinese = lines[1::2], lines[::2][: round(22 * share)]
        file.write_text("\n".join(english + chinese) + "\n", "utf-8")
        speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"
        settings = (speech, "instructions.shard_size=2", "engines.tokens.whisper.clusters=2")
        pipeline = load_pipeline(quickstart, settings, inputs=[file], root=str(tmp_path / "root"))
        store = open_store(pipeline.root)
        fill(pipeline, store, rows=rows)
        told = codebook.fit_codebook(pipeline, store, "whisper")
        assert f"{found.count(0.25):,} frames of en" in told
        return found

    return fit


@pytest.mark.slow
def test_a_language_gets_as_much_as_the_others(heard):
    loud = heard(1.0)
    assert (loud.count(0.25), loud.count(0.5)) == (100, 100)


def test_what_a_language_lacks_the_others_give(heard):
    loud = heard(1 / 22)
    assert (loud.count(0.25), loud.count(0.5)) == (140, 60), "a shard of three Chinese dialogues has 6 s"


@pytest.mark.slow
def test_speech_that_cannot_be_heard_makes_no_codebook(heard, monkeypatch):
    monkeypatch.setattr(Vectors, "of", lambda self, audio: RowError("silent"))
    with pytest.raises(ConfigError, match=r"none of the dialogues in .* can be heard"):
        heard(1.0)
