"""Rooms: impulse responses, simulated once by the image source method or read from a folder, and speech in them.

The simulation is pyroomacoustics' (Scheibler, Bezzam and Dokmanić 2018) shoebox with the wall absorption that Sabine's
formula gives for the wanted RT60. The direct path stays at the sample where it was, so that word times hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kespeechchat.config.scenes import RoomSettings
from kespeechchat.scenes.drawing import within
from kespeechchat.scenes.mixing import Float32
from kespeechchat.scenes.sounds import SceneError, Sounds, files_below
from kespeechchat.seeds import stable_uniform

_WALL = 0.3  # m that mouth and microphone keep from every wall
_TRIES = 100  # drawn rooms of which one must have the wanted RT60 and room for the distance


@dataclass(frozen=True)
class Room:
    """An impulse response, float32 [T], whose largest sample is the direct path; `about`: what it is, for facts."""

    response: Float32
    about: str


@dataclass(frozen=True)
class Rooms:
    """A bank of simulated rooms of one sample rate."""

    rooms: Sequence[Room]

    def pick(self, draw: int) -> Room:
        """The room that `draw` chooses."""
        return self.rooms[draw % len(self.rooms)]


@dataclass(frozen=True)
class RecordedRooms:
    """A bank of recorded impulse responses at `rate` Hz. Each is read when it is drawn; `sounds` keeps some of them."""

    sounds: Sounds
    rate: int

    def pick(self, draw: int) -> Room:
        """The room that `draw` chooses. Raises SceneError where its file has no sound or cannot be read."""
        file = self.sounds.files[draw % len(self.sounds.files)]
        response = self.sounds.whole(file, self.rate)
        if not np.any(response):
            raise SceneError(f"{file}: an impulse response without sound; take it out")
        return Room(response, self.sounds.name(file))


def rooms_of(settings: RoomSettings, rate: int, *key: object) -> Rooms | RecordedRooms:
    """The bank that the settings describe, at `rate` Hz. `key`: what its draws depend on. Raises SceneError."""
    if settings.impulse_responses is not None:
        folder = Path(settings.impulse_responses)
        return RecordedRooms(Sounds(files_below(folder), folder), rate)
    return Rooms([_simulated(settings, rate, *key, i) for i in range(settings.rooms)])


def _simulated(settings: RoomSettings, rate: int, *key: object) -> Room:
    try:
        import pyroomacoustics
    except ImportError as error:
        raise SceneError(
            f"a scene with simulated rooms needs pyroomacoustics ({error}): pip install 'kespeechchat[scenes]', or "
            "name a folder of recorded ones: room.impulse_responses"
        ) from None
    for attempt in range(_TRIES):
        drawn = (*key, attempt)
        sizes = [within(getattr(settings, side), *drawn, side) for side in ("length", "width", "height")]
        rt60 = within(settings.rt60, *drawn, "rt60")
        mouth, ear = _places(sizes, within(settings.distance, *drawn, "distance"), *drawn)
        if ear is None:
            continue
        try:
            absorption, order = pyroomacoustics.inverse_sabine(rt60, sizes)
        except ValueError:  # so short a time needs walls that take more than all
            continue
        room = pyroomacoustics.ShoeBox(sizes, fs=rate, materials=pyroomacoustics.Material(absorption), max_order=order)
        room.add_source(mouth)
        room.add_microphone(ear)
        room.compute_rir()
        about = f"{sizes[0]:.1f} x {sizes[1]:.1f} x {sizes[2]:.1f} m, RT60 {rt60:.2f} s, {math.dist(mouth, ear):.1f} m"
        return Room(_from_direct(np.asarray(room.rir[0][0], dtype=np.float32)), about)
    raise SceneError(
        f"room: none of {_TRIES} rooms of {settings.length} x {settings.width} x {settings.height} m has an RT60 "
        f"within {settings.rt60} s and a distance within {settings.distance} m; widen a range"
    )


def _from_direct(response: Float32) -> Float32:
    """From shortly before the direct path, which the fractional delay's filter spreads over some samples."""
    return response[max(0, int(np.argmax(np.abs(response))) - 40) :]


def _places(sizes: Sequence[float], distance: float, *key: object) -> tuple[list[float], list[float] | None]:
    """Mouth and microphone in a room, `distance` m apart; no microphone where that is outside."""
    mouth = [within((_WALL, size - _WALL), *key, "mouth", i) for i, size in enumerate(sizes)]
    turn, rise = 2 * math.pi * stable_uniform(*key, "turn"), 0.4 * (stable_uniform(*key, "rise") - 0.5)
    way = [math.cos(turn) * math.cos(rise), math.sin(turn) * math.cos(rise), math.sin(rise)]
    ear = [m + distance * w for m, w in zip(mouth, way, strict=True)]
    inside = all(_WALL <= at <= size - _WALL for at, size in zip(ear, sizes, strict=True))
    return mouth, ear if inside else None


def reverberated(speech: Float32, response: Float32) -> Float32:
    """float32 [T]: `speech` [T] in the room, its direct path where it was; what rings on after its end is cut."""
    from scipy.signal import fftconvolve

    direct = int(np.argmax(np.abs(response)))
    return np.asarray(fftconvolve(speech, response)[direct : direct + len(speech)], dtype=np.float32)
