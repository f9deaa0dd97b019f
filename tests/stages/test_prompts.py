"""Virtual prompts: a voice's audition is kept, marked, and is what an engine speaks from that takes a recording."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kespeechchat.commands.doctor.stand_ins import TableRecordings, table_of
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts.kokoro_styles import style
from kespeechchat.execution.worker.attempt_record import _content
from kespeechchat.records import Audio
from kespeechchat.stages.audition import Audition
from kespeechchat.stages.base import Task
from kespeechchat.stages.synthesize import Synthesize
from kespeechchat.store.audio import decode, encode_flac
from tests.engines.moody import Moody, serving

PROMPTS = "stages.audition.prompts={watermark: perth}"
TEXT = "The weather is lovely today, so let us walk in the park."


def prompted(quickstart: Path, url: str, *more: str) -> Pipeline:
    server = f"{{use: openai, url: {url}, model: m, sample_rate: 24000, reference: ref_audio, seeded: true}}"
    return load_pipeline(quickstart, (f"engines.tts.server={server}", "stages.synthesize.tts=server", PROMPTS, *more))


def speech(seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 200 * np.arange(round(24_000 * seconds)) / 24_000)).astype(np.float32)


def understand(path: str, headers: Any, raw: bytes) -> Any:
    body = json.loads(raw)

    def answer() -> bytes:
        out = io.BytesIO()
        soundfile.write(out, speech(len(body["input"]) * 0.08), 24_000, format="WAV", subtype="PCM_16")
        return out.getvalue()

    return body["input"], body, answer


@pytest.fixture
def server():
    with serving(understand) as moody:
        yield moody


def voices(*prompts: dict[str, Any]) -> list[dict[str, Any]]:
    voice = {"language": "en", "gender": "female", "split": "train", "embedding": [0.0] * 256}
    voice |= {"seconds_per_character": 0.1, "prompts": list(prompts)}
    return [{**voice, "id": f"v-{role}", "role": role} for role in ("user", "agent")]


def dialogue() -> dict[str, Any]:
    row = {"id": "d-1", "source": "t", "language": "en", "split": "train"}
    return row | {"instruction": "How is the weather today?", "response": "It is a lovely day for a walk."}


def sent(body: dict[str, Any]) -> Audio:
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(body["ref_audio"].split(",")[1])), dtype="float32")
    return Audio(samples, rate)


def spoken(pipeline: Pipeline, rows: list[dict[str, Any]]) -> list[Any]:
    stage = Synthesize(pipeline)
    stage.setup()
    library = table_of("voices", rows)
    return list(stage.process(Task(0, "en", [dialogue()], {"voices": library}, TableRecordings(library))))


def test_each_turn_is_spoken_from_its_voices_own_recording(quickstart: Path, server: Moody):
    other = {"language": "zh", "text": "你好", "audio": encode_flac(Audio(speech(1), 24_000))}
    own = {"language": "en", "text": TEXT, "audio": encode_flac(Audio(speech(2), 24_000))}
    (outcome,) = spoken(prompted(quickstart, server.url), voices(other, own))
    assert outcome.status == "kept", outcome.detail
    assert {body["input"] for body in server.bodies} == {dialogue()["instruction"], dialogue()["response"]}
    for body in server.bodies:
        assert body["ref_text"] == TEXT
        np.testing.assert_array_equal(sent(body).samples, decode(own["audio"]).samples)


def test_a_library_without_recordings_says_where_they_come_from(quickstart: Path, server: Moody):
    with pytest.raises(Exception, match=r"this voice has none.*stages\.audition\.prompts"):
        spoken(prompted(quickstart, server.url), voices())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("stages.audition.prompts=null", r"stages.synthesize.tts: 'server' .* no voice keeps one: set stages.audition"),
        ("stages.audition.tts=server", r"stages.audition.tts: 'server' speaks from a recording"),
        ("stages.corpus.tts=server", r"stages.corpus.tts: 'server' speaks from a recording"),
        ("stages.audition.prompts.watermark=none", r"no watermark engine named 'none'"),
    ],
)
def test_a_profile_whose_voices_have_no_recording_is_refused(quickstart: Path, change: str, match: str):
    with pytest.raises(ConfigError, match=match):
        prompted(quickstart, "http://h/v1", change)


def test_the_recordings_are_part_of_what_a_library_is():
    one, other = ({"language": "en", "text": TEXT, "audio": sound} for sound in (b"a", b"b"))
    assert _content(voices(one)) != _content(voices(other)) != _content(voices())
    without = [{k: v for k, v in voice.items() if k != "prompts"} for voice in voices()]
    assert _content(voices()) == _content(without)


@pytest.mark.model
def test_an_audition_keeps_its_first_sentence_marked_and_the_server_speaks_from_it(quickstart: Path, server: Moody):
    pipeline = prompted(quickstart, server.url)
    rows = [{"id": "c-1", "language": "en", "embedding": style({"af_heart": 1.0}).tolist(), "gender": "female"}]
    plain, kept = (Audition(p) for p in (load_pipeline(quickstart), pipeline))
    outcomes = []
    for stage in (plain, kept):
        stage.setup()
        (outcome,) = stage.process(Task(0, None, rows))
        assert outcome.status == "kept", outcome.detail
        outcomes.append(outcome)
    without, own = (outcome.row for outcome in outcomes)
    (prompt,) = own.pop("prompts")
    assert own == without, "keeping a recording changes what is measured"
    assert (prompt["language"], prompt["text"]) == ("en", TEXT)
    perth = load(pipeline.engine("watermark", "perth"))
    assert perth.detect([decode(prompt["audio"])])[0].score >= pipeline.engine("watermark", "perth").threshold
    (outcome,) = spoken(pipeline, voices(prompt))
    assert outcome.status == "kept", outcome.detail
    assert perth.detect([sent(server.bodies[0])])[0].score >= 0.75
