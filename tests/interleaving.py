"""`kesc interleave` with a voice and an ear that are no models: what the tests of its parts share."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.recorded import record_shard
from kespeechchat.commands.interleave import of_interleave
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.execution.result import Result
from kespeechchat.records import Audio, RowError
from kespeechchat.seeds import stable_hash
from kespeechchat.stages import base
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.orders import Order
from kespeechchat.state.voice_pin import pin
from kespeechchat.store.commit import ShardKey
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import read_sound_record, read_table

PROFILE = Path(__file__).parents[1] / "pipelines" / "quickstart.yaml"
DOCUMENTS = Path(__file__).parents[1] / "examples" / "documents.jsonl"
SIZE = 40  # tokens


class Voice:
    """Speaks a second of noise for every ten characters; it cannot say "unsayable"."""

    deterministic = True
    seeded = False
    spoken: ClassVar[list[str]] = []

    def identity(self) -> dict[str, str]:
        return {"model": "no model"}

    def speak(self, utterances):
        self.spoken += [u.text for u in utterances]
        return [
            RowError("cannot say it")
            if "unsayable" in u.text
            else Audio(np.full(1600 * len(u.text) + stable_hash(u.text) % 100, 0.1, np.float32), 16_000)
            for u in utterances
        ]


class Ear:
    """Hears numbers that depend on the length alone."""

    deterministic, rate, size = True, 12.5, SIZE
    codebooks, beyond, silent = 1, 0, False

    def identity(self) -> dict[str, str]:
        return {"model": "no model"}

    def tokens(self, audios):
        counts = [0 if self.silent else int(audio.seconds * self.rate) + 1 for audio in audios]
        return [self._of(len(audio.samples), count) for audio, count in zip(audios, counts, strict=True)]

    def _of(self, samples: int, count: int) -> np.ndarray:
        return ((samples + np.arange(count * self.codebooks)) % SIZE).astype(np.int32).reshape(self.codebooks, -1) + (
            self.beyond
        )


def without_models(monkeypatch) -> type[Ear]:
    """Puts the engines of this file in place of all others."""
    monkeypatch.setattr(base, "_loaded", {})
    monkeypatch.setattr(base, "load", lambda settings: Voice() if settings.capability == "tts" else Ear())
    for name, value in (("codebooks", 1), ("beyond", 0), ("silent", False)):
        monkeypatch.setattr(Ear, name, value)
    Voice.spoken.clear()
    return Ear


def profile(folder: Path, *changes: str, documents: Path = DOCUMENTS, languages: str = "en zh en en") -> Pipeline:
    """A profile whose ROOT has a pinned library of voices, the last of them held out."""
    pipeline = of_interleave(load_pipeline(PROFILE, changes, documents=[str(documents)], root=str(folder / "root")))
    store = open_store(pipeline.root)
    voices = [
        {
            "id": f"v{n}",
            "role": "user",
            "language": lang,
            "split": split,
            "gender": "female",
            "embedding": [n / 100] * 12,
        }
        for n, (lang, split) in enumerate(zip(languages.split(), ("train", "train", "train", "test"), strict=True))
    ]
    if not (folder / "root" / "voices" / "pin.json").exists():
        order = Order(Unit.of("voices"), ShardKey(0, "0" * 12), None)
        record = record_shard(store, order, voices)
        pin(store, type(record)(**{**record.__dict__, "content": "c"}))
    return pipeline


def run(pipeline: Pipeline) -> Result:
    """Builds its chain in this process."""
    return build(pipeline, Progress("plain"), inline=True)


def made(pipeline: Pipeline, kept_only: bool = True) -> list[dict]:
    """The rows of its shards, in order."""
    state = BuildState(pipeline, open_store(pipeline.root))
    found = []
    for one in state.states("interleaved").values():
        record = read_sound_record(state.store, "interleaved", one.order.key)
        found += read_table(state.store, "interleaved", record, None, kept_only).to_pylist()
    return found
