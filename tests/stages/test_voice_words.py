"""A voice's short words are spoken once, marked, and measured as they are stored."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kespeechchat.config.backchannels import VoiceWords as Settings
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.speech import LoudnessSettings
from kespeechchat.engines.asr import Transcript
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro_styles import style
from kespeechchat.engines.watermark import Detection
from kespeechchat.execution.worker.attempt_record import _content
from kespeechchat.loudness import loudness
from kespeechchat.records import SCHEMAS, Audio, RowError
from kespeechchat.stages.audition import Audition
from kespeechchat.stages.base import Task
from kespeechchat.stages.voice_words import Speaker, VoiceWords, rejected_word
from kespeechchat.store.audio import decode

RATE = 24_000
PITCH = {"one": 200, "two": 300, "mute": 400, "four": 500}


def tone(text: str) -> Audio:
    return Audio((0.1 * np.sin(2 * np.pi * PITCH[text] * np.arange(RATE // 2) / RATE)).astype(np.float32), RATE)


def said_in(audio: Audio) -> str:
    pitch = np.argmax(np.abs(np.fft.rfft(audio.samples))) * RATE / len(audio.samples)
    return min(PITCH, key=lambda text: abs(PITCH[text] - pitch))


class Engines:
    """A voice that says tones, and who hears which tone it is; one word cannot be spoken, one not marked."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.joined: list[int] = []
        self.calls: Counter[str] = Counter()

    def speak(self, utterances):
        self.calls["speak"] += 1
        self.seeds += [one.seed for one in utterances]
        return [RowError("no breath") if one.text == "two" else tone(one.text) for one in utterances]

    def embed(self, audios, payload):
        self.calls["embed"] += 1
        return [
            RowError("no room") if said_in(a) == "mute" else Audio(a.samples * np.float32(0.99), RATE) for a in audios
        ]

    def transcribe(self, audios, language):
        self.calls["transcribe"] += 1
        return [Transcript(said_in(audio), -0.1, 1.0, 0.0, ()) for audio in audios]

    def detect(self, audios):
        self.calls["detect"] += 1
        return [Detection(PITCH[said_in(audio)] / 1000) for audio in audios]

    def xvectors(self, audios):
        self.calls["xvectors"] += 1
        self.joined += [len(audio.samples) for audio in audios]
        return [np.array([0.6, 0.8], np.float32) for _ in audios]


def speaker(id_: str = "c-1", *languages: str, x: float = 1.0) -> Speaker:
    voice = {"id": id_, "xvectors": [[x, (1 - x * x) ** 0.5]]}
    return Speaker(voice, languages or ("en", "zh"), np.zeros(4, np.float32))


def said_by(settings: Settings, *speakers: Speaker) -> tuple[list[list[dict]], Engines]:
    engines = Engines()
    return VoiceWords(settings, engines, engines, engines, engines, seed=3).of(speakers), engines


def words(settings: Settings) -> tuple[list[dict], Engines]:
    (own,), engines = said_by(settings, speaker())
    return own, engines


def test_each_word_has_its_own_measures_whichever_fails():
    found, engines = words(Settings(watermark="w", words={"en": {text: () for text in PITCH}, "zh": {}}))
    assert [(word["text"], word.get("error")) for word in found] == [
        ("one", None),
        ("two", "no breath"),
        ("mute", "no room"),
        ("four", None),
    ]
    for word in (found[0], found[3]):
        assert word["transcript"] == word["text"] and word["watermark_score"] == PITCH[word["text"]] / 1000
        audio = decode(word["audio"])
        assert said_in(audio) == word["text"] and len(audio.samples) == round(word["seconds"] * RATE)
        assert word["own_voice"] == pytest.approx(0.6)
        assert not set(word) - {field.name for field in SCHEMAS["audition"].field("backchannels").type.value_type}
    assert engines.joined == [RATE], "all words of a language are heard as one"
    assert len(set(engines.seeds)) == 4


def test_each_engine_is_asked_once_for_all_voices_and_the_recognizer_once_a_language():
    """And each voice gets what it gets alone: words, seeds, likeness to its own probes."""
    settings = Settings(watermark="w", words={"en": {"one": (), "two": ()}, "zh": {"four": (), "mute": ()}})
    voices = [speaker("c-1"), speaker("c-2", "zh", x=0.0), speaker("c-3", "en", x=0.6), speaker("c-4")]
    found, engines = said_by(settings, *voices)
    assert engines.calls == {"speak": 1, "embed": 1, "transcribe": 2, "detect": 1, "xvectors": 1}
    alone = [said_by(settings, voice) for voice in voices]
    assert found == [own for (own,), _ in alone]
    assert engines.seeds == [seed for _, one in alone for seed in one.seeds]
    assert [len(own) for own in found] == [4, 2, 2, 4]
    assert [own[0]["own_voice"] for own in found] == pytest.approx([0.6, 0.8, 1.0, 0.6])


def test_nobody_is_asked_where_nothing_is_said():
    found, engines = said_by(Settings(watermark="w", words={"en": {"two": ()}, "zh": {}}), speaker("c-1", "zh"))
    assert found == [[]] and not engines.calls
    found, engines = said_by(Settings(watermark="w", words={"en": {"two": ()}, "zh": {}}), speaker())
    assert found == [[{"language": "en", "text": "two", "error": "no breath"}]] and engines.calls == {"speak": 1}


def test_words_are_brought_to_one_level():
    level = LoudnessSettings(lufs=-30, true_peak=-1)
    (word,), _ = words(Settings(watermark="w", loudness=level, words={"en": {"one": ()}, "zh": {}}))
    found = loudness(decode(word["audio"])).integrated
    assert found == pytest.approx(-30 + 20 * np.log10(0.99), abs=0.2)


def test_words_are_no_part_of_what_the_audio_of_dialogues_depends_on():
    voice = {"id": "v", "role": "user", "language": "en", "gender": "female", "split": "train"}
    voice |= {"seconds_per_character": 0.1, "embedding": [0.0]}
    assert _content([voice]) == _content([voice | {"backchannels": [{"text": "one", "audio": b"x"}]}])


@pytest.mark.model
def test_a_real_voice_says_them_and_is_the_same_voice(quickstart: Path):
    wanted = {"watermark": "perth", "words": {"en": {"Of course.": []}}, "loudness": {"lufs": -23}}
    rows = [{"id": "c-1", "language": "en", "embedding": style({"af_heart": 1.0}).tolist(), "gender": "female"}]
    pipeline = load_pipeline(quickstart, (f"stages.audition.backchannels={json.dumps(wanted)}",))
    outcomes = []
    for profile in (load_pipeline(quickstart), pipeline):
        stage = Audition(profile)
        stage.setup()
        (outcome,) = stage.process(Task(0, None, rows))
        assert outcome.status == "kept", outcome.detail
        outcomes.append(outcome.row)
    without, own = outcomes
    (word,) = own.pop("backchannels")
    assert own == without, "saying words changes what is measured"
    assert rejected_word({"error": None} | word, pipeline) is None, word["transcript"]
    perth = load(pipeline.engine("watermark", "perth"))
    assert perth.detect([decode(word["audio"])])[0].score >= pipeline.watermark_threshold


@pytest.mark.model
@pytest.mark.parametrize(("language", "name"), [("en", "am_michael"), ("zh", "zm_yunxi")])
def test_the_default_words_pass_the_quick_starts_gate(quickstart: Path, language: str, name: str):
    """Of a stock voice of each language. Other voices may lose one (docs/turns.md)."""
    pipeline = load_pipeline(quickstart)
    tts, asr, mark = (
        load(pipeline.engine(*one)) for one in (("tts", "kokoro"), ("asr", "whisper"), ("watermark", "perth"))
    )
    auditor, embedding = load(pipeline.engine("speaker", "auditor")), style({name: 1.0})
    probes = tts.speak([Utterance(text, language, embedding, 0) for text in pipeline.stages.audition.probes[language]])
    voice = {"id": name, "xvectors": [vector.tolist() for vector in auditor.xvectors(probes)]}
    wanted = Settings(watermark="perth", loudness=pipeline.stages.synthesize.loudness)
    (own,) = VoiceWords(wanted, tts, asr, auditor, mark, 3).of([Speaker(voice, (language,), embedding)])
    rejected = {word["text"]: rejected_word({"error": None} | word, pipeline) for word in own}
    allowed = {"Right."} if language == "en" else set()
    assert len(own) >= 4 and {text for text, reason in rejected.items() if reason} <= allowed, rejected
