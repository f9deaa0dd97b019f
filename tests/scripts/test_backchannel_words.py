"""What `backchannel_words.py` asks of the profile's engines, and how it ends where a voice cannot speak."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from kespeechchat.config.load import load_pipeline
from kespeechchat.config.speech import LoudnessSettings
from kespeechchat.engines.tts import Utterance
from kespeechchat.records import Audio, RowError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("backchannel_words", ROOT / "scripts" / "backchannel_words.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def test_a_voice_that_cannot_say_or_be_heard_in_its_probes_ends_it(script, quickstart, monkeypatch):
    pipeline = load_pipeline(quickstart)
    last = pipeline.stages.audition.probes["en"][-1]
    for engines, says in ((Engines(mute=last), "no phonemes"), (Engines(deaf=True), "too short")):
        monkeypatch.setattr(script, "load", lambda settings, engines=engines: engines)
        with pytest.raises(SystemExit, match=f"^af_heart: {says}$"):
            script.said(pipeline, ["af_heart"])


def test_a_voice_that_kokoro_does_not_have_is_named_before_anything_is_loaded(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["backchannel_words.py", "--voices", "af_heart", "af_hart"])
    monkeypatch.setattr(script, "load", None)
    with pytest.raises(SystemExit, match="2"):
        script.main()
    assert "--voices: 'af_hart' is none of Kokoro's stock voices: af_" in capsys.readouterr().err


@pytest.mark.parametrize("loudness", [None, LoudnessSettings(lufs=-30)])
def test_words_are_at_the_level_of_the_profile(script, quickstart, monkeypatch, loudness):
    given = "null" if loudness is None else "{lufs: -30}"
    asked = []

    class VoiceWords:
        def __init__(self, settings: Any, *engines: Any) -> None:
            asked.append(settings.loudness)

        def of(self, speakers: list[Any]) -> list[list[dict[str, Any]]]:
            return [[{"text": speaker.languages[0]}] for speaker in speakers]

    monkeypatch.setattr(script, "VoiceWords", VoiceWords)
    monkeypatch.setattr(script, "load", lambda settings: Engines())
    pipeline = load_pipeline(quickstart, (f"stages.synthesize.loudness={given}",))
    found = script.said(pipeline, ["af_heart", "zf_xiaobei"])
    assert asked == [loudness] and [word["text"] for word in found] == ["en", "zh"]
