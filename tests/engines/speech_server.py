"""A server of speech that says tones, and the engine that asks it: what the tests of `tts.use: openai` share."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import soundfile

from kespeechchat.config.engines import OpenAISpeechSettings
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.openai import OpenAISpeech
from tests.engines.moody import KEY, Moody, serving

RATE = 24_000
VOICES = {"en": {"female": ["ann", "eve"], "male": ["bob"]}, "zh": {"female": ["xiao"]}}


def tone(seconds: float = 0.6, rate: int = RATE) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def file(samples: np.ndarray, format_: str = "wav", rate: int = RATE) -> bytes:
    if format_ == "pcm":
        return (np.rint(samples * 32767).astype("<i2")).tobytes()
    out = io.BytesIO()
    container, subtype = {"opus": ("OGG", "OPUS"), "mp3": ("MP3", None)}.get(format_, (format_.upper(), "PCM_16"))
    soundfile.write(out, samples, rate, format=container, subtype=subtype)
    return out.getvalue()


def understand(path: str, headers: Any, raw: bytes) -> Any:
    body = json.loads(raw)
    return body["input"], body, lambda: file(tone(len(body["input"]) / 10), body["response_format"])


@pytest.fixture
def server() -> Iterator[Moody]:
    with serving(understand) as moody:
        yield moody


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KESC_TEST_KEY", KEY)


def settings(url: str, **more: Any) -> OpenAISpeechSettings:
    given = {"key_variable": "KESC_TEST_KEY", "timeout": 20, "backoff": 0.02, "retries": 2, "concurrency": 4}
    voices = {} if "reference" in more else {"voices": VOICES}
    return OpenAISpeechSettings(use="openai", url=url, model="m", sample_rate=RATE, **(given | voices | more))


def engine(server: Moody, **more: Any) -> OpenAISpeech:
    return OpenAISpeech(settings(server.url, **more))


def say(tts: OpenAISpeech, text: str, voice: str = "ann", language: str = "en", **more: Any) -> Utterance:
    return Utterance(text, language, tts.style({voice: 1.0}), **({"seed": 1} | more))
