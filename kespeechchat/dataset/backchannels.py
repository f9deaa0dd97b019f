"""Backchannels: where the listener says a short word (没错, right) inside the other's turn, drawn by hash.

They begin at pauses of the speech. A word that would still be heard too long after its pause, or too near to the end of
the turn, does not fit; a shorter one of the same voice is taken, and where none fits, there is none, which is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from kespeechchat.config.backchannels import BackchannelTiming
from kespeechchat.dataset.places import Place
from kespeechchat.records import Role
from kespeechchat.rows import FinishedRow, FinishedTurn


@dataclass(frozen=True)
class Sound:
    """A short word of a voice: what it says, and how many samples at how many Hz."""

    text: str
    samples: int
    sample_rate: int


Sounds = Mapping[tuple[str, str], Sequence[Sound]]
"""The short words of each voice, by (voice, language)."""


@dataclass(frozen=True)
class Backchannel:
    """A short word of the listener: heard from sample `start` of the dialogue on, inside the turn with index `turn`.
    `name`: of its speech in the dialogue (`back0`)."""

    name: str
    turn: int
    role: Role
    voice: str
    text: str
    start: int
    samples: int

    @property
    def end(self) -> int:
        """The sample behind its last one."""
        return self.start + self.samples


class Drawn(NamedTuple):
    """The backchannels of a dialogue, and at how many pauses no word of the listener was short enough."""

    backchannels: tuple[Backchannel, ...] = ()
    too_long: int = 0


def draw(
    settings: BackchannelTiming,
    sounds: Sounds,
    row: FinishedRow,
    places: Sequence[Place],
    uniform: Callable[[int, str], float],
) -> Drawn:
    """The backchannels of a dialogue whose turns are at `places`. `uniform(turn, purpose)`: 0 to 1, by hash.

    Raises ValueError for words at another sample rate than the dialogue's, and where a turn has neither silences nor
    word times.
    """
    found: list[Backchannel] = []
    too_long = 0
    for index, (turn, place) in enumerate(zip(row["turns"], places, strict=True)):
        listener = row["turns"][index - 1 if index % 2 else index + 1]
        words = sounds.get((listener["voice"], row["language"]), ())
        rate, gap = turn["sample_rate"], round(settings.gap * turn["sample_rate"])
        if odd := next((word for word in words if word.sample_rate != rate), None):
            raise ValueError(
                f"dialogue {row['id']}: {rate} Hz, but {odd.text!r} of {listener['voice']} has {odd.sample_rate} Hz; "
                "run `kesc build` again, or set timing.backchannels.probability: 0"
            )
        earliest = max(place.start, places[index - 1].end if index else 0) + gap
        latest = min(place.end, places[index + 1].start if index + 1 < len(places) else place.end) - gap
        for number, (begins, ends) in enumerate(_pauses(row["id"], index, turn, settings.min_pause) if words else ()):
            start = place.start + round(begins * rate)
            if start > latest:
                break
            if start < earliest or uniform(index, f"backchannel {number}") >= settings.probability:
                continue
            room = min(round((ends - begins + settings.beyond) * rate), latest - start)
            short = [word for word in words if word.samples <= room]
            if not short:
                too_long += 1
                continue
            word = short[int(uniform(index, f"word {number}") * len(short))]
            name = f"back{len(found)}"
            found.append(Backchannel(name, index, listener["role"], listener["voice"], word.text, start, word.samples))
            earliest = found[-1].end + gap
    return Drawn(tuple(found), too_long)


def _pauses(id_: str, index: int, turn: FinishedTurn, shortest: float) -> Iterator[tuple[float, float]]:
    """(start, end) of the pauses inside a turn, in its seconds: its silences, or what is between its words where an
    older build has no silences."""
    if (silences := turn.get("silences")) is not None:
        parts = [(s["start"], s["end"]) for s in silences if s["start"] > 0 and s["end"] < turn["seconds"]]
    elif (words := turn.get("words")) is not None:
        parts = [(before["end"], after["start"]) for before, after in pairwise(words)]
    else:
        raise ValueError(
            f"dialogue {id_}, turn {index}: timing.backchannels needs `silences` or `words` of stage gate, and this "
            "ROOT was built without them; run `kesc build` again, or set backchannels.probability: 0"
        )
    return ((start, end) for start, end in parts if end - start >= shortest)
