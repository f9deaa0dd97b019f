"""A voice without a model: harmonics of a pitch in syllables, with breath. Not speech, but it moves like it."""

from __future__ import annotations

import numpy as np

from kespeechchat.records import Audio


def voice(seconds: float, rate: int = 16_000, pitch: float = 120.0, seed: int = 0) -> Audio:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    glide = pitch * (1 + 0.02 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(glide) / rate
    sound = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 20))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t + rng.uniform(0, 6))
    samples = 0.1 * sound * syllables + 0.005 * rng.standard_normal(len(t))
    return Audio(samples.astype(np.float32), rate)


def unusable(rate: int = 16_000) -> list[Audio]:
    """Empty, too short, silent, not finite, stereo."""
    arrays = (np.zeros(0), np.ones(200) * 0.1, np.zeros(rate), np.full(rate, np.nan), np.ones((rate, 2)) * 0.1)
    return [Audio(samples.astype(np.float32), rate) for samples in arrays]
