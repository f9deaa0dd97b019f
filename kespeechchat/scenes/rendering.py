"""One side's clean channel in its scene: room, noise, level, codec, in this order; speed comes before, turn by turn.

The parts stand in the order in which they happen to a voice: it rings in the room, the room's noise joins it, the
microphone's level applies to both, and the line carries the sum. Everything keeps the clean channel's length and time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypedDict

import numpy as np
import soxr

from kespeechchat.scenes.codecs import coded, telephone_band
from kespeechchat.scenes.drawing import Drawn
from kespeechchat.scenes.mixing import Float32, Stretches, active, decibels, limited, noise_gain, power, snr
from kespeechchat.scenes.rooms import Room, reverberated
from kespeechchat.scenes.sounds import SceneError, Stretch
from kespeechchat.seeds import stable_hash

_TRIES = 16  # stretches of noise
_SOUNDS = 0.01  # of a stretch's mean power, which it must have where the speech is active


class NoiseFacts(TypedDict):
    """The noise beside a side: from which file or dialogues, from which second of it on, and the SNR in dB that was
    drawn and that was then measured, before codec and limiter, over the active frames of the clean speech."""

    source: str
    start: float
    snr: float
    measured_snr: float


class SceneFacts(TypedDict, total=False):
    """What happened to a side: nothing that has no key. `gain` was drawn, `limited` kept the sound within full scale,
    before and after band and codec (dB, both)."""

    speed: float
    room: str
    noise: NoiseFacts
    gain: float
    limited: float
    codec: str
    telephone_band: bool


class NoiseSource(Protocol):
    """Where noise comes from."""

    def cut(self, draw: int, samples: int, rate: int, dialogue_id: str = "") -> Stretch:
        """float32 [samples] with sound at `rate` Hz, which `draw` chooses, and which has nothing of that dialogue."""
        ...


class RoomBank(Protocol):
    """Which rooms there are, at the speech's rate."""

    def pick(self, draw: int) -> Room:
        """The room that `draw` chooses."""
        ...


@dataclass(frozen=True)
class Rendered:
    """float32 [T] within full scale, and what happened."""

    samples: Float32
    facts: SceneFacts


def length_at_speed(samples: int, speed: float) -> int:
    """How many samples a turn has at `speed`."""
    return max(1, round(samples / speed)) if samples else 0


def at_speed(speech: Float32, speed: float) -> Float32:
    """float32 [`length_at_speed(T)`]: `speech` [T] `speed` times as fast, resampled (soxr)."""
    if speed == 1.0:
        return speech
    wanted = length_at_speed(len(speech), speed)
    found = np.asarray(soxr.resample(speech, speed, 1.0), dtype=np.float32)
    return np.concatenate([found, np.zeros(max(0, wanted - len(found)), dtype=np.float32)])[:wanted]


def render(
    clean: Float32,
    rate: int,
    drawn: Drawn,
    noises: NoiseSource | None = None,
    rooms: RoomBank | None = None,
    dialogue_id: str = "",
) -> Rendered:
    """`clean`, float32 [T] at `rate` Hz, of which `drawn.speed` was applied already, in its scene.

    Raises SceneError where a source has nothing to give or the speech is silent; ValueError where noise or a room was
    drawn and there is no source.
    """
    facts = SceneFacts() if drawn.speed == 1.0 else SceneFacts(speed=drawn.speed)
    if drawn.clean:
        return Rendered(clean, facts)
    sound, speaking = clean, active(clean, rate)
    if drawn.room is not None:
        sound = _in_room(clean, drawn.room, rooms, speaking, facts)
    if drawn.snr is not None:
        sound = sound + _noise(clean, rate, drawn, noises, speaking, dialogue_id, facts)
    if drawn.gain is not None:
        sound, facts["gain"] = sound * decibels(drawn.gain), round(drawn.gain, 2)
    sound, taken = limited(sound)
    if drawn.telephone_band:
        sound, more = limited(telephone_band(sound, rate))
        facts["telephone_band"], taken = True, taken + more
    if drawn.codec is not None:
        sound, more = limited(coded(sound, rate, drawn.codec))
        facts["codec"], taken = drawn.codec, taken + more
    if round(taken, 2):
        facts["limited"] = round(taken, 2)
    return Rendered(sound, facts)


def _in_room(clean: Float32, draw: int, rooms: RoomBank | None, speaking: Stretches, facts: SceneFacts) -> Float32:
    """The speech in a room, at the power that it had."""
    if rooms is None:
        raise ValueError("a room was drawn, and there is no bank of rooms")
    room = rooms.pick(draw)
    facts["room"] = room.about
    wet = reverberated(clean, room.response)
    before, after = power(clean, speaking), power(wet, speaking)
    return wet * np.float32((before / after) ** 0.5) if after > 0 else wet


def _noise(
    clean: Float32,
    rate: int,
    drawn: Drawn,
    noises: NoiseSource | None,
    speaking: Stretches,
    dialogue_id: str,
    facts: SceneFacts,
) -> Float32:
    if noises is None or drawn.snr is None:
        raise ValueError("noise was drawn, and there is no source of noise")
    if not speaking:
        raise SceneError(
            f"dialogue {dialogue_id}: a turn without sound has no signal-to-noise ratio; run `kesc verify`"
        )
    stretch = _heard(noises, drawn.noise, len(clean), rate, speaking, dialogue_id)
    noise = stretch.samples * np.float32(noise_gain(clean, stretch.samples, speaking, drawn.snr))
    facts["noise"] = {
        "source": stretch.source,
        "start": round(stretch.start, 3),
        "snr": round(drawn.snr, 2),
        "measured_snr": round(snr(clean, noise, speaking), 2),
    }
    return noise


def _heard(noises: NoiseSource, draw: int, samples: int, rate: int, speaking: Stretches, dialogue_id: str) -> Stretch:
    """A stretch that sounds while the speech does: one bark in a pause, raised to the SNR by what hisses under the
    speech, would drown all of it."""
    everywhere = (slice(0, samples),)
    for attempt in range(_TRIES):
        stretch = noises.cut(stable_hash(draw, attempt) if attempt else draw, samples, rate, dialogue_id)
        if power(stretch.samples, speaking) >= _SOUNDS * power(stretch.samples, everywhere) > 0:
            return stretch
    raise SceneError(
        f"{stretch.source}: {_TRIES} stretches of noise are silent while dialogue {dialogue_id} speaks; take sounds "
        "that last, or leave short ones out"
    )
