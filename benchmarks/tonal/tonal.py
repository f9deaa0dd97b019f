"""Engines of tones, for builds whose every stage must run often and cheaply: real audio, no models.

A voice of tones says a text by frequency-shift keying: each half byte of its UTF-8 is one of sixteen tones for 35 ms,
so the recognizer here hears exactly what was said. Who speaks is the strength of twelve faint tones below, the
watermark is one faint tone above. All of it survives 16-bit FLAC, and every bit is a function of the arguments.

They stand in for the models where the thing under test is the store and the runner; the models have tests of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from kespeechchat.engines.asr import Transcript
from kespeechchat.engines.gender import GenderScore
from kespeechchat.engines.judge import Verdict
from kespeechchat.engines.llm import Completion, Request
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.watermark import Detection
from kespeechchat.records import Audio

RATE, SYMBOL = 8_000, 280  # Hz, samples: tones at multiples of 200/7 Hz fit a symbol a whole number of times
_SYMBOLS = 20 + 7 * np.arange(16)  # multiples that say a half byte: 571 to 3,571 Hz
_SPEAKER = 1 + np.arange(12)  # that say who speaks: 29 to 343 Hz
_MARK = np.array([135])  # 3,857 Hz
_SAID, _VOICE, _MARKED = 0.5, 0.05, 0.02  # amplitudes


def _tones(multiples: np.ndarray, length: int) -> np.ndarray:
    """float64 [N, length]: sines at these multiples of the symbol's frequency."""
    return np.sin(2 * np.pi * np.outer(multiples, np.arange(length)) / SYMBOL)


def _strength(samples: np.ndarray, multiples: np.ndarray) -> np.ndarray:
    """Amplitudes [N] of those tones in `samples`."""
    return 2 / len(samples) * (_tones(multiples, len(samples)) @ samples.astype(np.float64))


class _Engine:
    deterministic = True

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def identity(self) -> dict[str, str]:
        return {"model": f"tones/{type(self).__name__.lower()}"}


class Voice(_Engine):
    seeded = False
    sample_rate = RATE
    embedding_size = len(_SPEAKER)
    languages = ("zh", "en")

    def style(self, mix: dict[str, float]) -> np.ndarray:
        return sum(weight * _stock(name) for name, weight in mix.items())

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio]:
        return [self._say(u) for u in utterances]

    def _say(self, utterance: Utterance) -> Audio:
        halves = [half for byte in utterance.text.encode() for half in (byte >> 4, byte & 15)]
        said = _SAID * _tones(_SYMBOLS, SYMBOL)[halves].ravel()
        who = _VOICE * np.asarray(utterance.embedding, np.float64) @ _tones(_SPEAKER, len(said))
        return Audio((said + who).astype(np.float32), RATE)


def _stock(name: str) -> np.ndarray:
    noise = np.frombuffer(hashlib.sha256(name.encode()).digest()[: len(_SPEAKER)], np.uint8)
    vector = noise.astype(np.float32) - 127.5
    return vector / np.linalg.norm(vector)


class Ear(_Engine):
    def transcribe(self, audios: Sequence[Audio], language: str) -> list[Transcript]:
        return [Transcript(_heard(audio), -0.1, 1.0, 0.0) for audio in audios]


def _heard(audio: Audio) -> str:
    symbols = audio.samples.reshape(-1, SYMBOL).astype(np.float64)
    halves = (symbols @ _tones(_SYMBOLS, SYMBOL).T).argmax(axis=1)
    return (16 * halves[::2] + halves[1::2]).astype(np.uint8).tobytes().decode()


class Bytes(_Engine):
    """Tokens: the bytes that are said."""

    rate, size, codebooks = RATE / (2 * SYMBOL), 256, 1

    def tokens(self, audios: Sequence[Audio]) -> list[np.ndarray]:
        return [np.frombuffer(_heard(audio).encode(), np.uint8).astype(np.int32)[None] for audio in audios]


class Speaker(_Engine):
    size = len(_SPEAKER)

    def xvectors(self, audios: Sequence[Audio]) -> list[np.ndarray]:
        found = (_strength(audio.samples, _SPEAKER) for audio in audios)
        return [(v / np.linalg.norm(v)).astype(np.float32) for v in found]


class Embedder(_Engine):
    size = len(_SPEAKER)

    def embed(self, audios: Sequence[Audio], xvectors: Sequence[np.ndarray], *_: Any) -> list[np.ndarray]:
        return list(xvectors)


class Gender(_Engine):
    def classify(self, audios: Sequence[Audio]) -> list[GenderScore]:
        return [GenderScore("unknown", 0.0)] * len(audios)


class Mark(_Engine):
    payload_bits = 0

    def embed(self, audios: Sequence[Audio], payload: str | None = None) -> list[Audio]:
        return [_marked(audio) for audio in audios]

    def detect(self, audios: Sequence[Audio]) -> list[Detection]:
        return [Detection(float(np.clip(_strength(a.samples, _MARK)[0] / _MARKED, 0, 1))) for a in audios]


def _marked(audio: Audio) -> Audio:
    mark = _MARKED * _tones(_MARK, len(audio.samples))[0]
    return Audio((audio.samples + mark).astype(np.float32), RATE)


class Quality(_Engine):
    def score(self, audios: Sequence[Audio]) -> list[dict[str, float]]:
        return [{"dnsmos_ovrl": float(np.abs(audio.samples).max()) + 2} for audio in audios]


class Judge(_Engine):
    def judge(self, texts: Sequence[str], criterion: Any, language: str, seeds: Sequence[int]) -> list[Verdict]:
        return [Verdict(0.9)] * len(texts)


class Writer(_Engine):
    """Says the question again as it stands, and answers with the reference that the prompt shows."""

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        return [Completion(json.dumps(_answer(r), ensure_ascii=False), "stop", 8) for r in requests]


def _answer(request: Request) -> dict[str, str]:
    shown = [line.split("：", 1)[-1].split(": ", 1)[-1] for line in request.messages[-1].content.splitlines()]
    if len(shown) == 1:
        return {"question": shown[0]}
    return {"instruction": shown[0], "response": shown[1]}


ENGINES: dict[str, type[_Engine]] = {  # capability → engine
    "asr": Ear,
    "embedder": Embedder,
    "gender": Gender,
    "judge": Judge,
    "llm": Writer,
    "mos": Quality,
    "speaker": Speaker,
    "tokens": Bytes,
    "tts": Voice,
    "watermark": Mark,
}
