"""Speech-like sound for the tests of scenes: syllables of noise with pauses between them."""

from __future__ import annotations

import numpy as np

RATE = 16_000


def speech(seconds: float = 2.0, seed: int = 0, rate: int = RATE, level: float = 0.1) -> np.ndarray:
    """float32 [T]: syllables of 0.2 s, every third one left out, so that there are pauses."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    syllable = np.sin(np.pi * (t % 0.2) / 0.2) * ((t // 0.2).astype(int) % 3 > 0)
    return (level * syllable * rng.standard_normal(len(t))).astype(np.float32)


def hum(seconds: float = 2.0, seed: int = 1, rate: int = RATE) -> np.ndarray:
    """float32 [T] of steady noise."""
    return (0.05 * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)
