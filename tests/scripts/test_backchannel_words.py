"""What `backchannel_words.py` asks of the profile's engines, and how it ends where a voice cannot speak."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from kespeechchat.config.load import load_pipeline
from kespeechchat.config.speech import LoudnessSettings
from kespeechchat.engines.tts import Utterance
from kespeechchat.records import Audio, RowError
from tests.scripts.loaded import script


@pytest.fixture
def words() -> ModuleType:
    return script("backchannel_words")


class Engines:
    """Voice and ear in one; `mute` cannot speak that text, and `deaf` cannot hear anybody."""

    def __init__(self, mute: str = "", deaf: bool = False) -> None:
        self._mute, self._deaf = mute, deaf

    def speak(self, utterances: list[Utterance]) -> list[Audio | RowError]:
        spoken = Audio(np.ones(2400, np.float32), 24_000)
        return [RowError("no phonemes") if said.text == self._mute else spoken for said in utterances]

    def xvectors(self, audios: list[Any]) -> list[np.ndarray | RowError]:
        assert all(isinstance(audio, Audio) for audio in audios)
        return [RowError("too short") if self._deaf else np.ones(4, np.float32) for _ in audios]


def test_a_voice_that_cannot_say_or_be_heard_in_its_probes_ends_it(words, quickstart, monkeypatch):
    pipeline = load_pipeline(quickstart)
    last = pipeline.stages.audition.probes["en"][-1]
    for engines, says in ((Engines(mute=last), "no phonemes"), (Engines(deaf=True), "too short")):
        monkeypatch.setattr(words, "load", lambda settings, engines=engines: engines)
        with pytest.raises(SystemExit, match=f"^af_heart: {says}$"):
            words.said(pipeline, ["af_heart"])


def test_a_voice_that_kokoro_does_not_have_is_named_before_anything_is_loaded(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["backchannel_words.py", "--voices", "af_heart", "af_hart"])
    monkeypatch.setattr(words, "load", None)
    with pytest.raises(SystemExit, match="2"):
        words.main()
    assert "--voices: 'af_hart' is none of Kokoro's stock voices: af_" in capsys.readouterr().err


@pytest.mark.parametrize("loudness", [None, LoudnessSettings(lufs=-30)])
def test_words_are_at_the_level_of_the_profile(words, quickstart, monkeypatch, loudness):
    given = "null" if loudness is None else "{lufs: -30}"
    asked = []

    class VoiceWords:
        def __init__(self, settings: Any, *engines: Any) -> None:
            asked.append(settings.loudness)

        def of(self, speakers: list[Any]) -> list[list[dict[str, Any]]]:
            return [[{"text": speaker.languages[0]}] for speaker in speakers]

    monkeypatch.setattr(words, "VoiceWords", VoiceWords)
    monkeypatch.setattr(words, "load", lambda settings: Engines())
    pipeline = load_pipeline(quickstart, (f"stages.synthesize.loudness={given}",))
    found = words.said(pipeline, ["af_heart", "zf_xiaobei"])
    assert asked == [loudness] and [word["text"] for word in found] == ["en", "zh"]
