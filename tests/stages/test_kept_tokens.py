"""Speech tokens in a build: kept beside the audio that they became, and taken by an export of interleaved dialogues."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.recorded import fill
from kespeechchat import records
from kespeechchat.commands.export import Wanted, export
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.config.rounds import REPEATED
from kespeechchat.engines import registry
from kespeechchat.engines.asr import Transcript
from kespeechchat.engines.tts import Spoken
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.records import Audio, RowError, Word
from kespeechchat.rows import samples_of
from kespeechchat.speech_tokens import Codebook
from kespeechchat.stages import base
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.commit import read_record
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import read_table
from tests import spoken_again
from tests.engines import tiny_cosyvoice
from tests.engines.test_cosyvoice_prompts import tokenizer
from tests.spoken_again import RATE, ROWS, Engines, Ground

KEEP = "stages.synthesize.keep_tokens=true"
BOOK = Codebook(50.0, 4096, "the voice's own")
SAMPLES = RATE // 50  # of a token


class Sayer(Engines):
    """Its tokens count up from the number of characters that are said."""

    def codebook(self) -> Codebook:
        return BOOK

    def speak_from_tokens(self, utterances: list[Any]) -> list[Spoken]:
        return [
            Spoken(audio, np.arange(len(audio.samples) // SAMPLES, dtype=np.int32) + len(utterance.text))
            for utterance, audio in zip(utterances, self.speak(utterances), strict=True)
        ]


@pytest.fixture
def ground(tmp_path: Path, quickstart: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    ground = Ground(tmp_path, quickstart, monkeypatch)
    ground.engines = Sayer()
    return ground


def rows_of(ground: Ground, pipeline: Any, unit: str = "watermark") -> list[dict[str, Any]]:
    keys = [state.order.key for state in BuildState(pipeline, ground.store).states(unit).values()]
    found = [read_table(ground.store, unit, read_record(ground.store, unit, key), kept_only=False) for key in keys]
    return [row for table in found for row in table.to_pylist()]


@pytest.mark.slow
def test_each_turn_that_is_kept_has_its_tokens(ground: Ground) -> None:
    """In its own round, too, and no stage behind the speech carries them on."""
    ground.engines.mumbles = lambda said, before: before == 0 and re.findall(r"\d+", said.text)[0] in ("9", "14")
    settings = (KEEP, "rounds=[seed]")
    assert ground.build(*settings).ok
    pipeline = ground.pipeline(*settings)
    rows = FinishedRows(pipeline, ground.store)
    seen = {0: 0, 1: 0}
    for row in rows:
        tokens, seen[row["round"]] = rows.tokens(row), seen[row["round"]] + 1
        for name, turn in zip(("user", "agent"), row["turns"], strict=True):
            start = len(turn["text"])
            assert tokens[name].codebook == BOOK and "speech_tokens" not in turn
            assert tokens[name].ids.tolist() == list(range(start, start + samples_of(turn) // SAMPLES))
            assert tokens[name].misfit(turn["seconds"]) is None
    assert seen == {0: 4 * ROWS - 2, 1: 2}


@pytest.mark.slow
def test_a_turn_at_another_speed_has_none(ground: Ground) -> None:
    """The sound is stretched after its tokens, which would not stand at their places."""
    settings = (KEEP, "manner=[{name: brisk, share: 0.5, role: user, speed: 1.1}]")
    assert ground.build(*settings).ok
    brisk = []
    for row in rows_of(ground, ground.pipeline(*settings)):
        for turn in row["turns"]:
            assert (turn["speech_tokens"] is None) == (turn["manner"] is not None)
            brisk.append(turn["manner"] is not None)
    assert any(brisk) and not all(brisk)


@pytest.mark.slow
def test_what_is_not_spoken_in_the_end_has_none(ground: Ground) -> None:
    """A rejected turn's, and those of a dialogue that could not be marked: unmarked speech could be made of them."""
    pace = "stages.synthesize.seconds_per_character={zh: [5, 6], en: [0.03, 0.2]}"
    embed = ground.engines.embed
    ground.engines.embed = lambda audios, payload: [RowError("cannot mark it"), *embed(audios[1:], payload)]
    ground.build(KEEP, pace)
    rows = rows_of(ground, ground.pipeline(KEEP, pace))
    found = {status: [row for row in rows if row["status"] == status] for status in ("kept", "rejected", "failed")}
    assert found["kept"] and {row["language"] for row in found["rejected"]} == {"zh"} and len(found["failed"]) == 2
    for row in rows:
        for turn in row["turns"]:
            there = [turn["audio"] is not None, turn["speech_tokens"] is not None]
            assert there == [row["status"] == "kept"] * 2


@pytest.mark.slow
def test_asked_for_later_the_speech_is_made_again_and_a_root_of_before_is_read(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That has no such column."""
    plain = ground.pipeline()
    schema = records.SCHEMAS["synthesize"]
    parts = [field for field in schema.field("turns").type.value_type if field.name != "speech_tokens"]
    before = schema.set(schema.get_field_index("turns"), pa.field("turns", pa.list_(pa.struct(parts))))
    with monkeypatch.context() as patched:
        for name in ("synthesize", "watermark"):
            patched.setitem(records.SCHEMAS, name, before)
        assert ground.build().ok
    rows = FinishedRows(plain, ground.store)
    assert "speech_tokens" not in rows_of(ground, plain)[0]["turns"][0]
    assert all(rows.tokens(row) == {"user": None, "agent": None} and rows.audio(row) for row in rows)
    assert ground.stale(KEEP) == {"watermark", "measure", "gate"}  # `synthesize` is published with `watermark`


def test_a_voice_that_speaks_from_no_tokens_is_refused(quickstart: Path) -> None:
    with pytest.raises(ConfigError, match=r"synthesize\.keep_tokens: the tts engine 'kokoro' \(kokoro\) .* cosyvoice"):
        load_pipeline(quickstart, (KEEP,))


class Hearer(Engines):
    """Marks and hears what a real voice says: a word for every half second."""

    def transcribe(self, audios: list[Audio], language: str) -> list[Transcript]:
        return [Transcript("a", 0.0, 1.0, 0.0, _words(audio.seconds)) for audio in audios]


def _words(seconds: float) -> tuple[Word, ...]:
    times = np.arange(0, seconds, 0.5).tolist()
    return tuple(Word("a", time, min(time + 0.5, seconds)) for time in times)


def _recorded(order: Any) -> list[dict[str, Any]]:
    """A dialogue a shard, of short words, and voices that CosyVoice can speak with."""
    if order.name == "voices":
        found = spoken_again._rows(order)
        return [voice | {"embedding": np.random.default_rng(n).normal(size=192)} for n, voice in enumerate(found)]
    if order.name != "spoken":
        return spoken_again._rows(order)
    said = {"instruction": "你去哪里？", "response": "我去学校。"}
    if order.language == "en":
        said = {"instruction": "Who is it now?", "response": "It is only me."}
    return [spoken_again.dialogue(order, 0) | said]


@pytest.mark.model
@pytest.mark.filterwarnings("ignore::FutureWarning")  # the library's own
def test_cosyvoice_speaks_a_build_whose_export_tokenizes_nothing(
    tmp_path: Path, quickstart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_cosyvoice.build(tmp_path / "model")
    tokenizer(model / "speech_tokenizer_v1.onnx")
    spoken_again.inputs(tmp_path)
    pipeline = spoken_again._pipeline(
        tmp_path,
        quickstart,
        f"engines.tts.kokoro={{use: cosyvoice, model: {model}, batch: 2}}",
        f"engines.tokens.s3={{use: s3, model: {model}/speech_tokenizer_v1.onnx, rate: 50, size: 32}}",
        "stages.synthesize={tts: kokoro, tries: 1, seconds_per_character: {zh: [0, 99], en: [0, 99]}}",
        KEEP,
        "stages.gate={max_error: {zh: null, en: null}}",
        "interleave.stages.interleaved={tokens: s3, tts: kokoro}",
    )
    store, hearer = open_store(pipeline.root), Hearer()
    fill(pipeline, store, [u.name for u in pipeline.units if not set(u) & set(REPEATED)], _recorded)
    monkeypatch.setattr(base, "_loaded", {})
    monkeypatch.setattr(base, "load", lambda own: registry.load(own) if own.capability == "tts" else hearer)
    with tiny_cosyvoice.llm_loaded():
        assert build(pipeline, Progress(quiet=True), inline=True).ok

    told = export(pipeline, store, str(tmp_path / "voice"), Wanted("interleaved"))
    lines = _lines(tmp_path / "voice")
    assert len(lines) == 4 and "8 turns have the tokens that they were spoken from" in told
    vocabulary = json.loads((tmp_path / "voice" / "tokens.json").read_text())
    assert vocabulary["turns_by_source"] == {"voice": 8, "audio": 0} and vocabulary["size"] == 32
    rows = FinishedRows(pipeline, store)
    for row in rows:
        for turn, line, kept in zip(row["turns"], lines[row["id"]]["turns"], rows.tokens(row).values(), strict=True):
            assert line["tokens"] == kept.ids.tolist() and line["tokens_from"] == "voice"
            assert round(turn["seconds"] * 22_050) == int(len(line["tokens"]) / 50 * 22_050 / 256) * 256

    export(pipeline, store, str(tmp_path / "audio"), Wanted("interleaved", options={"source": "audio"}))
    for row in rows:
        for turn, line in zip(row["turns"], _lines(tmp_path / "audio")[row["id"]]["turns"], strict=True):
            assert line["tokens_from"] == "audio" and abs(len(line["tokens"]) - 25 * turn["seconds"]) <= 2


def _lines(folder: Path) -> dict[str, Any]:
    text = (folder / "train.jsonl").read_text("utf-8").splitlines()
    return {line["id"]: line for line in map(json.loads, text)}
