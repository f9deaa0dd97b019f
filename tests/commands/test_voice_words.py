"""A voice's short words are held to the limits of stage `gate`, and a profile that cannot have them is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.commands.export import Wanted, export
from kespeechchat.commands.voice_words import library_words
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.dataset.backchannels import Sound
from kespeechchat.records import SCHEMAS, Audio
from kespeechchat.stages.voice_words import rejected_word
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.audio import encode_flac
from kespeechchat.store.opening import open_store
from tests.commands import test_export as recorded

LOUD = "loudness: {lufs: -23, true_peak: -1}"  # as the quick start's turns
WORDS = f"stages.audition.backchannels={{watermark: perth, words: {{en: {{Mm-hm.: [mhm]}}}}, {LOUD}}}"
ON = "timing.backchannels.probability=0.5"
GOOD = {
    "language": "en",
    "text": "Mm-hm.",
    "audio": b"flac",
    "sample_rate": 24_000,
    "seconds": 0.5,
    "transcript": "Mm, hm",
    "leading_silence": 0.1,
    "longest_silence": 0.0,
    "trailing_silence": 0.1,
    "watermark_score": 1.0,
    "own_voice": 0.8,
    "error": None,
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"transcript": "Mhm!"}, None),
        ({"transcript": "Thank you."}, "error_rate"),
        ({"transcript": ""}, "error_rate"),
        ({"watermark_score": 0.2}, "watermark_not_found"),
        ({"watermark_score": float("nan")}, "watermark_not_found"),
        ({"trailing_silence": 1.5}, "silence"),
        ({"own_voice": 0.1}, "other_voice"),
        ({"own_voice": None}, None),
        ({"error": "audio is silent", "audio": None, "watermark_score": None}, "failed"),
    ],
)
def test_a_word_is_held_to_the_limits_of_the_gate(quickstart: Path, change, reason):
    pipeline = load_pipeline(quickstart, (WORDS, ON))
    assert rejected_word(GOOD | change, pipeline) == reason


@pytest.mark.slow
def test_only_what_is_kept_can_be_drawn_and_audio_is_read_when_it_is_asked_for(build, monkeypatch):
    pipeline, store = build(*DRAWN)
    words = library_words(FinishedRows(pipeline, store))
    right = Sound("Right.", 800, recorded.RATE)
    assert words.sounds["SPK1f", "en"] == words.sounds["agentFemale", "en"] == [right]
    assert ("agentFemale", "zh") not in words.sounds and words.counts == {"kept": 3, "error_rate": 1}
    assert words.read("SPK1f", "en", "Right.") == word("SPK1f", "en")["audio"]
    with pytest.raises(KeyError):
        words.read("SPK1f", "en", "Okay.")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((ON,), r"timing.backchannels: no voice keeps short words: set stages.audition.backchannels"),
        (
            (WORDS, ON, "engines.tts.other={use: kokoro, threads: 1}", "stages.synthesize.tts=other"),
            r"stages.audition.tts, 'kokoro', speaks them, and 'other' the dialogues",
        ),
        (
            ("stages.audition.backchannels={watermark: perth}", ON, "stages.synthesize.loudness={lufs: -20}"),
            r"stages.audition.backchannels.loudness: is not what stages.synthesize.loudness is",
        ),
        (("stages.audition.backchannels={watermark: none}",), r"no watermark engine named 'none'"),
    ],
)
def test_a_profile_that_cannot_have_them_is_refused(quickstart: Path, changes, told):
    with pytest.raises(ConfigError, match=told):
        load_pipeline(quickstart, changes)


def test_they_are_off(quickstart: Path):
    pipelines = [quickstart, *quickstart.parent.glob("ke-speechchat*.yaml")]
    assert len(pipelines) > 1
    for path in pipelines:
        pipeline = load_pipeline(path)
        assert pipeline.stages.audition.backchannels is None and not pipeline.timing.backchannels.probability
        assert "backchannels" not in pipeline.stages.audition.relevant()


LENGTHS = {"user": 8000, "agent": 16_000}  # samples


def rows(order) -> list[dict]:
    """As those of `test_export`, with longer turns, pauses in them, and voices of which two say words."""
    made = recorded.rows(order)
    if order.name == "voices":
        for row in made:
            if row["id"] != "SPK2m":
                row["backchannels"] = [word(row["id"], "en"), word(row["id"], "zh")]
    for row in made if order.name in ("watermark", "gate") else ():
        for turn in row["turns"]:
            samples = LENGTHS[turn["role"]]
            turn["seconds"] = samples / recorded.RATE
            if order.name == "gate":
                turn["silences"] = [{"start": 0.4, "end": 0.6}, {"start": 1.0, "end": 1.2}]
            else:
                turn["audio"] = encode_flac(Audio(np.zeros(samples, np.float32), recorded.RATE))
        if order.name == "gate":
            row["seconds"] = 3.0
    return made


def word(voice: str, language: str) -> dict:
    """Its level tells whose it is."""
    said = {"en": ("Right.", "right"), "zh": ("对。", "错" if voice == "agentFemale" else "对")}[language]
    audio = encode_flac(Audio(np.full(800, 0.5 if voice == "SPK1f" else 0.25, np.float32), recorded.RATE))
    found = GOOD | {"language": language, "sample_rate": recorded.RATE, "seconds": 0.1, "audio": audio}
    return found | {"text": said[0], "transcript": said[1]}


@pytest.fixture
def build(tmp_path, quickstart):
    def make(*changes: str, rows=rows):
        speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"
        file, root = questions(tmp_path / "questions.jsonl", 16), str(tmp_path / "root")
        pipeline = load_pipeline(quickstart, (speech, "instructions.shard_size=4", *changes), inputs=[file], root=root)
        store = open_store(pipeline.root)
        fill(pipeline, store, rows=rows)
        return pipeline, store

    return make


DRAWN = (
    "timing={backchannels: {probability: 1, gap: 0.2, beyond: 0.2}}",
    "stages.synthesize.loudness=null",
    "stages.audition.backchannels={watermark: perth}",
)


@pytest.mark.slow
def test_an_export_has_the_words_of_the_pinned_library(build, tmp_path):
    pipeline, store = build(*DRAWN)
    export(pipeline, store, str(tmp_path / "paper"), Wanted())
    export(pipeline, store, str(tmp_path / "stereo"), Wanted("stereo"))
    items = json.loads((tmp_path / "paper" / "metadata.json").read_text())
    heard = {"SPK1f": 0.5, "agentFemale": 0.25}
    said = {(one["speaker"], item["channel"][0]["language"]) for item in items for one in item.get("backchannels", ())}
    assert said == {("SPK1f", "en"), ("SPK1f", "zh"), ("agentFemale", "en")}, "one has no words, one was misheard"
    for item in items:
        both, _ = soundfile.read(tmp_path / "stereo" / "audio" / f"{item['id']}.flac")
        for one in item.get("backchannels", ()):
            span = slice(round(one["start"] * recorded.RATE), round(one["end"] * recorded.RATE))
            assert np.allclose(both[span, one["channel"]], heard[one["speaker"]], atol=1e-3)
            assert not both[span, 1 - one["channel"]].any()
    found = json.loads((tmp_path / "paper" / "statistics.json").read_text())["timeline"]
    assert found["voice_words"] == {"kept": 3, "error_rate": 1}
    export(pipeline, store, str(tmp_path / "messages"), Wanted("messages"))


@pytest.mark.slow
def test_another_spelling_lets_other_words_be_drawn_so_no_file_is_kept(build, tmp_path):
    pipeline, store = build(*DRAWN)
    export(pipeline, store, str(tmp_path / "out"), Wanted("stereo"))
    heard = pipeline.stages.audition.backchannels
    words = {**heard.words, "zh": {**heard.words["zh"], "对。": ("错",)}}
    audition = pipeline.stages.audition.model_copy(update={"backchannels": heard.model_copy(update={"words": words})})
    other = pipeline.model_copy(update={"stages": pipeline.stages.model_copy(update={"audition": audition})})
    assert library_words(FinishedRows(other, store)).counts == {"kept": 4}
    assert "kept" not in export(other, store, str(tmp_path / "out"), Wanted("stereo"))


@pytest.mark.slow
def test_a_scene_has_none_and_asks_for_none(build, tmp_path):
    pipeline, store = build(*DRAWN, rows=recorded.rows)  # whose library has no words
    export(pipeline, store, str(tmp_path / "out"), Wanted("stereo", scene="telephone"))


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
def test_a_library_without_words_is_refused(build, tmp_path, monkeypatch, old):
    if old:  # made before there were any
        schema = SCHEMAS["voices"]
        monkeypatch.setitem(SCHEMAS, "voices", schema.remove(schema.get_field_index("backchannels")))
    pipeline, store = build(*DRAWN, rows=recorded.rows)
    with pytest.raises(ConfigError, match=r"no voice of this ROOT keeps short words: set stages.audition.backchannels"):
        export(pipeline, store, str(tmp_path / "out"), Wanted("stereo"))
