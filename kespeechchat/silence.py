"""Where an utterance is silent, measured against its own loudness, so that neither its level nor its padding matters.

The audio is cut into frames of 10 ms. A frame is silent where its power is 40 dB under the utterance's level. The level
is the mean power of the frames, each weighted by its power: silent frames weigh nothing in it, however many there are,
and one click weighs little. The power is the frame's variance, so that a constant offset is silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kespeechchat.records import Audio

FRAME = 0.01  # s
_UNDER = 40.0  # dB: vowels are 25 to 35 dB over the weakest consonants
_SHORTEST = 0.1  # s: a plosive's closure inside a word is shorter
_CLICK = 0.03  # s: a sound of its own is longer


@dataclass(frozen=True)
class Silences:
    """The silent `intervals` (start, end) of an utterance of `total` seconds, in order. Inside, those under 0.1 s are
    left out."""

    intervals: tuple[tuple[float, float], ...]
    total: float

    @property
    def leading(self) -> float:
        """Seconds before the first sound; all of them where there is none."""
        first = self.intervals[:1]
        return first[0][1] if first and first[0][0] == 0 else 0.0

    @property
    def trailing(self) -> float:
        """Seconds after the last sound; all of them where there is none."""
        last = self.intervals[-1:]
        return self.total - last[0][0] if last and last[0][1] == self.total else 0.0

    @property
    def inside(self) -> float:
        """Seconds of the longest silence between two sounds."""
        return max((end - start for start, end in self.intervals if start > 0 and end < self.total), default=0.0)


def silences(audio: Audio) -> Silences:
    """Measures `audio`. Without any sound it is one silence from end to end."""
    size, total = max(1, round(FRAME * audio.sample_rate)), audio.seconds
    sounds = _sounds(_powers(audio.samples, size))
    edges = [0.0, *(min(edge * size / audio.sample_rate, total) for sound in sounds for edge in sound), total]
    gaps = list(zip(edges[::2], edges[1::2], strict=True))
    return Silences(tuple(gap for gap in gaps if _counts(gap, total)), total)


def _counts(gap: tuple[float, float], total: float) -> bool:
    start, end = gap
    return end > start and (start == 0 or end == total or end - start >= _SHORTEST - FRAME / 2)


def _powers(samples: np.ndarray, size: int) -> np.ndarray:
    """float64 [⌈T / size⌉]: the variance of each frame; the last one may be shorter."""
    wave = np.asarray(samples, dtype=np.float64)
    whole = len(wave) // size * size
    powers = wave[:whole].reshape(-1, size).var(axis=1)
    return np.append(powers, wave[whole:].var()) if whole < len(wave) else powers


def _sounds(powers: np.ndarray) -> Sequence[tuple[int, int]]:
    """(first frame, frame after the last) of each sound, in order. A sound as short as a click is silence."""
    if not (summed := powers.sum()) > 0:
        return []
    level = (powers**2).sum() / summed
    loud = np.concatenate([[False], powers > level * 10 ** (-_UNDER / 10), [False]])
    bounds = np.flatnonzero(loud[1:] != loud[:-1]).reshape(-1, 2).tolist()
    joined: list[tuple[int, int]] = []
    for start, end in bounds:  # what less than 0.1 s of silence parts is one sound
        if joined and (start - joined[-1][1]) * FRAME < _SHORTEST - FRAME / 2:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [(start, end) for start, end in joined if (end - start) * FRAME > _CLICK - FRAME / 2]
