"""Babble: several other dialogues' users talking at once, where nobody has given noise.

A bank of tracks is made once for an export. A track has a lane for each voice; a lane is the speech of one or some
dialogues at the same power as every other lane, repeated. A dialogue never hears a track in which it speaks itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import soxr

from kespeechchat.scenes.mixing import Float32, active, power
from kespeechchat.scenes.sounds import SceneError, Stretch, repeated

TRACKS = 8  # at most
PER_LANE = 2  # dialogues, at most
_SECONDS = 40.0  # of a track
_LANE_POWER = 0.01


@dataclass(frozen=True)
class Track:
    """float32 [T] of babble, and the dialogues that speak in it."""

    samples: Float32
    ids: frozenset[str]


@dataclass
class Babble:
    """Tracks at `rate` Hz."""

    tracks: Sequence[Track]
    rate: int
    _at: dict[tuple[int, int], Float32] = field(default_factory=dict)

    def cut(self, draw: int, samples: int, rate: int, dialogue_id: str = "") -> Stretch:
        """As `NoiseSource.cut`; `start` is a place in the track."""
        others = [i for i, track in enumerate(self.tracks) if dialogue_id not in track.ids]
        number = others[draw % len(others)]
        whole = self._track(number, rate)
        start = draw // len(others) % len(whole)
        return Stretch(repeated(whole, start, samples, rate), f"babble {number}", start / rate)

    def _track(self, number: int, rate: int) -> Float32:
        if rate == self.rate:
            return self.tracks[number].samples
        if (number, rate) not in self._at:
            resampled = soxr.resample(self.tracks[number].samples, self.rate, rate)
            self._at[number, rate] = np.asarray(resampled, dtype=np.float32)
        return self._at[number, rate]


def wanted_dialogues(voices: int) -> int:
    """How many dialogues a bank is made of, where there are so many."""
    return TRACKS * PER_LANE * voices


def babble_of(speech: Iterable[tuple[str, Float32]], rate: int, voices: int) -> Babble:
    """A bank of the `speech` (dialogue, float32 [T] at `rate` Hz) of different dialogues. Raises SceneError where these
    are fewer than two tracks need."""
    spoken = [(name, samples) for name, samples in speech if np.any(samples)]
    tracks = min(TRACKS, len(spoken) // voices)
    if tracks < 2:
        raise SceneError(
            f"babble takes two training dialogues a voice, here {2 * voices} (noise.babble_voices: {voices}), and has "
            f"{len(spoken)}: name a noise folder (noise.folder) or fewer voices, or export with --scene clean"
        )
    return Babble([_track(spoken[i::tracks][: voices * PER_LANE], rate, voices) for i in range(tracks)], rate)


def _track(spoken: Sequence[tuple[str, Float32]], rate: int, voices: int) -> Track:
    length = round(_SECONDS * rate)
    out = np.zeros(length, dtype=np.float32)
    for lane in range(voices):
        joined = np.concatenate([_levelled(samples, rate) for _, samples in spoken[lane::voices]])
        out += np.roll(np.resize(joined, length), lane * length // voices)
    return Track(out, frozenset(name for name, _ in spoken))


def _levelled(samples: Float32, rate: int) -> Float32:
    found = power(samples, active(samples, rate))
    return samples * np.float32((_LANE_POWER / found) ** 0.5) if found > 0 else samples
