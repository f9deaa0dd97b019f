"""A build that speaks without models: real stages from `synthesize` to `gate` on engines that count samples.

What was said is known by the number of samples of its audio, so the recognizer hears it through FLAC and Parquet; it
hears nonsense where `mumbles` says so.
"""

from __future__ import annotations

import atexit
import copy
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.commands.verify import verify
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.rounds import REPEATED, split_round
from kespeechchat.engines.asr import Transcript
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.watermark import Detection
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.records import Audio
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Order
from kespeechchat.store.opening import open_store

RATE = 2000  # Hz: short files
ROWS = 4  # dialogues of a shard
VOICES = [
    {"id": f"{role}-{gender}-{i}", "role": role, "gender": gender, "split": "train", "embedding": [float(i)] * 4}
    for role, count in (("user", 2), ("agent", 1))
    for gender in ("female", "male")
    for i in range(count)
]
# an engine of another name, so that the profile may ask for another seed
SEEDED = "engines.tts.kokoro={use: cosyvoice, model: unused}"

Mumbles = Callable[[Utterance, int], bool]  # of an utterance, and how often its text was spoken before


class Engines:
    """TTS, watermark and recognizer in one: each is loaded as this."""

    deterministic = seeded = True

    def __init__(self) -> None:
        self.mumbles: Mumbles = lambda utterance, before: False
        self._heard: dict[int, str] = {}
        self._times: Counter[str] = Counter()

    def identity(self) -> dict[str, str]:
        return {}

    def speak(self, utterances: list[Utterance]) -> list[Audio]:
        return [self._said(u) for u in utterances]

    def _said(self, utterance: Utterance) -> Audio:
        length = round(0.12 * len(utterance.text) * RATE) + len(self._heard)
        while length in self._heard:
            length += 1
        mumbled = self.mumbles(utterance, self._times[utterance.text])
        self._times[utterance.text] += 1
        self._heard[length] = "嗯啊" if mumbled else utterance.text
        samples = np.resize(np.array([0.1, -0.1], dtype=np.float32), length)  # a constant would be silence
        return Audio(samples, RATE)

    def embed(self, audios: list[Audio], payload: str | None) -> list[Audio]:
        return audios

    def detect(self, audios: list[Audio]) -> list[Detection]:
        return [Detection(1.0, None)] * len(audios)

    def transcribe(self, audios: list[Audio], language: str) -> list[Transcript]:
        return [Transcript(self._heard[len(a.samples)], 0.0, 1.0, 0.0) for a in audios]


def _pipeline(folder: Path, profile: Path, *settings: str) -> Any:
    own = (
        f"speech.inputs=[{{path: {folder / 'speech.yaml'}}}]",
        f"instructions.shard_size={ROWS}",
        "stages.blend.blending.same_language=false",
        "guards={}",
        "rounds=[]",
        "stages.measure.mos=null",
        "stages.measure.auditor=null",
        "stages.synthesize.tries=1",
        "stages.gate={max_error: {zh: 0.05, en: 0.1}}",
        SEEDED,
    )
    return load_pipeline(profile, (*own, *settings), inputs=[folder / "questions.jsonl"], root=str(folder / "root"))


def record(pipeline: Any) -> None:
    """Text and voices of the build, in its ROOT."""
    before = [unit.name for unit in pipeline.units if not set(unit) & set(REPEATED)]
    fill(pipeline, open_store(pipeline.root), before, _rows)


@cache
def _recorded(profile: Path, *rows: object) -> Path:
    """A folder with inputs and recorded text and voices, made once a process for each way in which `rows` are made."""
    folder = Path(tempfile.mkdtemp(prefix="kesc-recorded-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    inputs(folder)
    record(_pipeline(folder, profile))
    return folder


def inputs(folder: Path) -> None:
    """Questions and a recipe for the corpus."""
    questions(folder / "questions.jsonl", 4 * ROWS)
    recipe(folder / "speech.yaml", 10)


class Ground:
    """Text and voices stand, recorded; `build` speaks. Two shards a language, `ROWS` dialogues in each."""

    def __init__(self, folder: Path, profile: Path, monkeypatch: Any) -> None:
        self._folder, self._profile, self.monkeypatch = folder, profile, monkeypatch
        self.engines = Engines()
        self._patch()
        self._record()
        self.store = open_store(self.pipeline().root)

    def _record(self) -> None:
        shutil.copytree(_recorded(self._profile, dialogue, _rows), self._folder, dirs_exist_ok=True)

    def _patch(self) -> None:
        self.monkeypatch.setattr("kespeechchat.stages.base._loaded", {})
        self.monkeypatch.setattr("kespeechchat.stages.base.load", lambda settings: self.engines)

    def copied(self, folder: Path, monkeypatch: Any) -> Ground:
        """The same build in `folder`, for a test that changes it."""
        made = copy.copy(self)
        made._folder, made.monkeypatch, made.engines = folder, monkeypatch, copy.deepcopy(self.engines)
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)
        made._patch()
        made.store = open_store(made.pipeline().root)
        return made

    def pipeline(self, *settings: str) -> Any:
        return _pipeline(self._folder, self._profile, *settings)

    def stale(self, *settings: str) -> set[str]:
        """The units of a profile with these settings that have shards to be made."""
        build_state = BuildState(self.pipeline(*settings), self.store)
        states = {unit.name: build_state.states(unit.name).values() for unit in build_state.pipeline.units}
        return {name for name, own in states.items() if any(state.state is not State.DONE for state in own)}

    def build(self, *settings: str, stages: tuple[str, ...] = ()) -> Any:
        return build(self.pipeline(*settings), Progress(quiet=True), stages, inline=True)


def _rows(order: Order) -> list[dict[str, Any]]:
    if order.name == "voices":
        same = {"parents": [], "nearest_speaker_cosine": 0.5}
        return [{**voice, **same, "xvectors": [[1.0, i]]} for i, voice in enumerate(VOICES)]
    if order.name == "spoken":
        return [dialogue(order, i) for i in range(ROWS)]
    return [{"id": f"{order.name}-{order.key.shard}"}]


def dialogue(order: Order, i: int) -> dict[str, Any]:
    number = order.key.shard * ROWS + i
    zh = order.language == "zh"
    said = {"instruction": f"第{number}个问题怎么样？", "response": f"第{number}个回答就是这样。"}
    if not zh:
        said = {"instruction": f"What is question number {number}?", "response": f"This is answer number {number}."}
    return {"id": f"d{number:02d}", "source": "t", "language": order.language, "split": "train", **said}


def problems(ground: Ground, pipeline: Any) -> list[str]:
    """What `kesc verify` finds in the speech; the recorded stages before it keep other rows than they got."""
    named = ((problem.partition(" ")[0], problem) for problem in verify(pipeline, ground.store)[1])
    return [problem for unit, problem in named if split_round(unit)[0] in (*REPEATED, "splits:")]
