"""How the turns of a dataset follow each other: turns of a dialogue, gaps, overlaps, floor-transfer offsets, barge-ins.

Sums are exact (see `moments.Moments`), so the order of rows does not matter. Memory does not grow with the rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Any

import numpy as np

from kespeechchat.blocks import Block
from kespeechchat.dataset.backchannels import Drawn
from kespeechchat.dataset.moments import Moments, counted
from kespeechchat.dataset.places import Place
from kespeechchat.dataset.timeline import Timeline, length_of
from kespeechchat.rounding import rounded
from kespeechchat.rows import FinishedRow

_NONE = Drawn()
BIN = 0.1  # s, of the histogram of offsets; a bin is named by its lower edge
_AFTER = {"agent": "agent_after_user", "user": "user_after_agent"}


@dataclass
class Timelines:
    """Streams rows with their timelines. Offsets are by who follows whom, those of barge-ins apart (`barge_in`)."""

    turns: Counter[int] = field(default_factory=Counter)  # dialogues by how many turns they have
    offsets: dict[str, Moments] = field(default_factory=lambda: defaultdict(Moments))
    bins: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    gaps: Moments = field(default_factory=Moments)
    overlaps: Moments = field(default_factory=Moments)
    cut: Moments = field(default_factory=Moments)  # s that were cut off turns
    length: Moments = field(default_factory=Moments)  # s of dialogues
    words: Counter[str] = field(default_factory=Counter)  # backchannels by what they say
    heard: Moments = field(default_factory=Moments)  # s of backchannels
    too_long: int = 0  # pauses at which no word of the listener was short enough

    def add(self, row: FinishedRow, places: Sequence[Place], drawn: Drawn = _NONE) -> None:
        """One row, its timeline and its backchannels."""
        rate = row["turns"][0]["sample_rate"]
        self.turns[len(places)] += 1
        self.length.add(length_of(places) / rate)
        self.too_long += drawn.too_long
        for one in drawn.backchannels:
            self.words[one.text] += 1
            self.heard.add(one.samples / rate)
        for before, place, turn in zip(places, places[1:], row["turns"][1:], strict=False):
            offset = (place.offset or 0) / rate
            kind = "barge_in" if before.cut else _AFTER[turn["role"]]
            self.offsets[kind].add(offset)
            self.bins[kind][floor(round(offset / BIN, 6))] += 1
            if offset > 0:
                self.gaps.add(offset)
            elif offset < 0:
                self.overlaps.add(-offset)
            if before.cut:
                self.cut.add((before.whole - before.samples) / rate)

    def add_block(self, block: Block, timeline: Timeline) -> None:
        """All rows of a block."""
        for row, places, drawn in timeline.special.values():
            self.add(row, places, drawn)
        plain = timeline.plain(block)
        rates = block.turn_numbers("sample_rate")
        self.turns.update(counted(np.diff(block.first)[plain]))
        self.length.add_all((timeline.lengths(block) / rates[block.first[:-1]])[plain], "length of the dialogue")
        offsets = timeline.offsets / rates
        later = plain[block.dialogue_of] & (block.place > 0)
        for role, kind in _AFTER.items():
            own = offsets[later & block.turn_codes("role").where(role)]
            if len(own):
                self.offsets[kind].add_all(own, "offset")
                self.bins[kind].update(counted(np.floor(rounded(own / BIN, 6)).astype(np.int64)))
                self.gaps.add_all(own[own > 0], "offset")
                self.overlaps.add_all(-own[own < 0], "offset")

    def merge(self, other: Timelines) -> None:
        """Takes in other rows; the order does not matter."""
        self.turns.update(other.turns)
        for kind, moments in other.offsets.items():
            self.offsets[kind].merge(moments)
        for kind, bins in other.bins.items():
            self.bins[kind].update(bins)
        for mine, theirs in (
            (self.gaps, other.gaps),
            (self.overlaps, other.overlaps),
            (self.cut, other.cut),
            (self.length, other.length),
            (self.heard, other.heard),
        ):
            mine.merge(theirs)
        self.words.update(other.words)
        self.too_long += other.too_long

    def result(self) -> dict[str, Any]:
        """What statistics.json says; nothing where all dialogues have the paper's shape: one exchange, no gap."""
        said = self.heard.count or self.too_long
        if set(self.turns) <= {2} and not (self.gaps.count or self.overlaps.count or said):
            return {}
        offsets = {
            kind: {
                **moments.result(),
                "histogram": {f"{bin_ * BIN:.1f}": n for bin_, n in sorted(self.bins[kind].items())},
            }
            for kind, moments in sorted(self.offsets.items())
        }
        return {
            "dialogues_by_turns": {str(n): count for n, count in sorted(self.turns.items())},
            "seconds": self.length.result(),
            "offsets": offsets,
            "gaps": self.gaps.result(),
            "overlaps": self.overlaps.result(),
            "cut": self.cut.result(),
            **({"backchannels": self._backchannels()} if said else {}),
        }

    def _backchannels(self) -> dict[str, Any]:
        return {"words": dict(sorted(self.words.items())), "too_long": self.too_long, "seconds": self.heard.result()}
