"""Engines that take a recorded time in place of a model's: what overlap and scheduling are measured with.

What is spoken carries its text in its first samples, so the recognizer hears it right and the gate keeps it. Each call
is one shard's; it sleeps `seconds[capability]` and notes its process and memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.engines.asr import Transcript
from kespeechchat.engines.watermark import Detection
from kespeechchat.records import Audio

RATE = 16_000
PACE = 0.12  # seconds per character, inside the profiles' ranges of both languages
_STEP = 32768  # a sample n / 32768 passes through 16-bit FLAC unchanged


@dataclass
class Recorded:
    capability: str
    seconds: float  # of each call
    log: Path | None = None

    deterministic = seeded = True
    sample_rate, embedding_size, languages = RATE, 256, ("zh", "en")
    payload_bits = 0

    def identity(self) -> dict[str, str]:
        return {"engine": "recorded time", "model": f"{self.seconds:g} s"}

    def speak(self, utterances: Sequence[Any]) -> list[Audio]:
        self._work()
        return [_spoken(u.text) for u in utterances]

    def embed(self, audios: Sequence[Audio], payload: str | None = None) -> list[Audio]:
        self._work()
        return list(audios)

    def detect(self, audios: Sequence[Audio]) -> list[Detection]:
        return [Detection(1.0) for _ in audios]

    def transcribe(self, audios: Sequence[Audio], language: str) -> list[Transcript]:
        self._work()
        return [Transcript(_heard(audio), -0.1, 1.0, 0.0) for audio in audios]

    def score(self, audios: Sequence[Audio]) -> list[dict[str, float]]:
        return [{"dnsmos_ovrl": 3.0} for _ in audios]

    def _work(self) -> None:
        time.sleep(self.seconds)
        if self.log:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            with open(self.log, "a") as log:
                log.write(f"{self.capability} {os.getpid()} {pages * os.sysconf('SC_PAGE_SIZE')}\n")


def _spoken(text: str) -> Audio:
    data = text.encode()
    samples = np.random.default_rng(len(data)).normal(0, 0.05, round(PACE * len(text) * RATE) + len(data) + 2)
    samples[: len(data) + 2] = np.array([len(data) & 255, len(data) >> 8, *data]) / _STEP
    return Audio(samples.astype(np.float32), RATE)


def _heard(audio: Audio) -> str:
    said = np.rint(audio.samples * _STEP).astype(int)
    return bytes(said[2 : 2 + said[0] + (said[1] << 8)].tolist()).decode()
