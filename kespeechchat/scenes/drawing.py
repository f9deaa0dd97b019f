"""What happens to each side of each dialogue, drawn by hash: the same in any order, on any machine, in every export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from kespeechchat.config.scenes import CodecName, Probability, SceneSettings, SideSettings, Span
from kespeechchat.records import Role, Split
from kespeechchat.seeds import stable_hash, stable_uniform

ItemT = TypeVar("ItemT")
_PURPOSE = "scene"


@dataclass(frozen=True)
class Drawn:
    """What happens to one side. `room` and `noise` are numbers that choose one of those there are; `snr` and `gain` are
    in dB. None: does not happen."""

    speed: float = 1.0
    room: int | None = None
    snr: float | None = None
    noise: int = 0
    gain: float | None = None
    codec: CodecName | None = None
    telephone_band: bool = False

    @property
    def clean(self) -> bool:
        """Whether nothing happens."""
        return self == Drawn()


@dataclass(frozen=True)
class Draws:
    """The draws of the scene `name` in a build of this `seed`. It can be sent to another process."""

    name: str
    settings: SceneSettings
    seed: int

    def of(self, dialogue_id: str, split: Split, role: Role) -> Drawn:
        """What happens to a side of a dialogue."""
        side = getattr(self.settings, role)
        if side is None or split not in self.settings.splits:
            return Drawn()
        return draw(side, self.seed, _PURPOSE, self.name, dialogue_id, role)


def draw(side: SideSettings, *key: object) -> Drawn:
    """One side's draw from the hash of `key`; each part has a hash of its own, so a changed range moves no other."""

    def happens(what: str, probability: Probability) -> bool:
        return stable_uniform(*key, what) < probability

    speed, room, noise, level, codec = side.speed, side.room, side.noise, side.level, side.codec
    coded = codec is not None and happens("codec", codec.probability)
    return Drawn(
        speed=_one(speed.factors, *key, "factor") if speed and happens("speed", speed.probability) else 1.0,
        room=stable_hash(*key, "which room") if room and happens("room", room.probability) else None,
        snr=within(noise.snr, *key, "snr") if noise and happens("noise", noise.probability) else None,
        noise=stable_hash(*key, "which noise") if noise and happens("noise", noise.probability) else 0,
        gain=within(level.gain, *key, "gain") if level and happens("level", level.probability) else None,
        codec=_one(codec.codecs, *key, "which codec") if codec and coded else None,
        telephone_band=bool(codec and coded and codec.telephone_band),
    )


def within(span: Span, *key: object) -> float:
    """A number of the span, drawn evenly from the hash of `key`."""
    return span[0] + (span[1] - span[0]) * stable_uniform(*key)


def _one(items: Sequence[ItemT], *key: object) -> ItemT:
    return items[stable_hash(*key) % len(items)]
