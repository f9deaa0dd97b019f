"""The timeline of a dialogue: at which sample each turn begins and ends, drawn by hash.

A turn's speech is stored once and never moved: the timeline says where an export puts it. So time is drawn again in
the time that a hash takes, and nothing is spoken, marked or recognized again (docs/turns.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kespeechchat.blocks import Block, Bools, Ints
from kespeechchat.config.timing import TimingSettings
from kespeechchat.dataset.backchannels import Drawn, Sounds, draw
from kespeechchat.dataset.durations import text_until
from kespeechchat.dataset.places import Place
from kespeechchat.records import Word
from kespeechchat.rows import FinishedRow, FinishedTurn, fault_of, samples_of
from kespeechchat.seeds import stable_uniform

_PAPER = TimingSettings()


class Special(NamedTuple):
    """A dialogue of which the columns of a `Timeline` do not say all: a turn is cut, or there are backchannels."""

    row: FinishedRow
    places: Sequence[Place]
    drawn: Drawn


@dataclass(frozen=True)
class Timeline:
    """Where the m turns of a block are, int64 [m] each, in samples: where they start, for how long they are heard, and
    the floor-transfer offset before each (0 before the first). `special`: by the place of the dialogue in the block."""

    starts: Ints
    samples: Ints
    offsets: Ints
    special: Mapping[int, Special] = field(default_factory=dict)

    def lengths(self, block: Block) -> Ints:
        """int64 [n]: samples of each dialogue, as `length_of`."""
        if not len(block):
            return np.zeros(0, np.int64)
        longest: Ints = np.maximum.reduceat(self.starts + self.samples, block.first[:-1])
        return longest

    def plain(self, block: Block) -> Bools:
        """bool [n]: the dialogues that are not special."""
        found = np.ones(len(block), bool)
        found[list(self.special)] = False
        return found


@dataclass(frozen=True)
class Timing:
    """Draws timelines. `seed`: the build's; `sounds`: what listeners can say."""

    settings: TimingSettings = _PAPER
    seed: int = 0
    sounds: Sounds = field(default_factory=dict)

    def places(self, row: FinishedRow) -> list[Place]:
        """A place for each turn. Raises ValueError for a row that is no dialogue, whose turns have two sample rates, or
        whose build has no word times where a barge-in needs them."""
        turns = row["turns"]
        if fault := fault_of(turns):
            raise ValueError(f"dialogue {row['id']}: {fault}")
        places: list[Place] = []
        for index, turn in enumerate(turns):
            barges_in = index and turn["role"] == "user" and self._barges_in(row["id"], index)
            if cut := self._cut(row, index, places) if barges_in else None:
                onset, places[-1] = cut
                start = places[-1].start + onset
            else:
                start = self._after(row, index, places)
            samples = samples_of(turn)
            offset = start - places[-1].end if places else None
            places.append(Place(start, samples, turn["text"], samples, offset=offset))
        return places

    def of_block(self, block: Block) -> Timeline:
        """The timelines of dialogues without a fault. Raises ValueError as `places` and `backchannels`."""
        if not self._draws:
            ends = np.cumsum(block.samples)
            starts = ends - block.samples
            starts -= starts[block.first[:-1]][block.dialogue_of]
            return Timeline(starts, block.samples, np.zeros_like(starts))
        all_places: list[Place] = []
        special: dict[int, Special] = {}
        for index, row in enumerate(block.rows()):
            places = self.places(row)
            all_places += places
            drawn = self.backchannels(row, places)
            if drawn != Drawn() or any(place.cut for place in places):
                special[index] = Special(row, places, drawn)
        columns = ((p.start, p.samples, p.offset or 0) for p in all_places)
        starts, samples, offsets = np.array(list(columns), np.int64).reshape(-1, 3).T
        return Timeline(starts, samples, offsets, special)

    @property
    def _draws(self) -> bool:
        """Whether a timeline is anything but turns that follow one another."""
        settings = self.settings
        moves = any(each.mean or each.std for each in (settings.agent_after_user, settings.user_after_agent))
        return bool(moves or settings.barge_in.probability or (self.sounds and settings.backchannels.probability))

    def backchannels(self, row: FinishedRow, places: Sequence[Place]) -> Drawn:
        """What the listeners say inside the turns of a row at `places`. Raises ValueError as `backchannels.draw`."""
        if not self.sounds or not self.settings.backchannels.probability:
            return Drawn()

        def uniform(index: int, purpose: str) -> float:
            return self._draw(row["id"], index, purpose)

        return draw(self.settings.backchannels, self.sounds, row, places, uniform)

    def _after(self, row: FinishedRow, index: int, places: Sequence[Place]) -> int:
        """Where a turn begins that follows the one before: at most half of either is spoken at the same time."""
        if not places:
            return 0
        turn, last = row["turns"][index], places[-1]
        distribution = self.settings.before(turn["role"])
        seconds = (
            distribution.mean if distribution.std == 0 else distribution.at(self._draw(row["id"], index, "offset"))
        )
        start = last.end + round(seconds * turn["sample_rate"])
        earliest = last.end - min(last.samples, samples_of(turn)) // 2
        return max(start, earliest, *(place.end for place in places[-2:-1]))

    def _barges_in(self, id_: str, index: int) -> bool:
        likely = self.settings.barge_in.probability
        return likely > 0 and self._draw(id_, index, "barge-in") < likely

    def _cut(self, row: FinishedRow, index: int, places: Sequence[Place]) -> tuple[int, Place] | None:
        """(samples of the agent's turn after which the user begins, the agent's place, cut); None where the turn is too
        short for that. The user begins when its own last turn has ended, and at most half of what is heard of the
        agent's is spoken at the same time as that."""
        agent, barge_in, (own, last) = row["turns"][index - 1], self.settings.barge_in, places[-2:]
        if (words := agent.get("words")) is None:
            raise ValueError(
                f"dialogue {row['id']}, turn {index - 1}: timing.barge_in needs word times (`words` of stage gate), "
                "and this ROOT was built without them; run `kesc build` again, or set barge_in.probability: 0"
            )
        rate = agent["sample_rate"]
        reaction = round(barge_in.reaction.at(self._draw(row["id"], index, "reaction")) * rate)
        both = own.end - last.start
        first = max(round(barge_in.after * rate), both, 2 * both - reaction)
        last_word = round(words[-1]["start"] * rate) if words else 0
        latest = min(last.samples - round(barge_in.before_end * rate), last_word) - reaction
        if latest < first:
            return None
        onset = first + int(self._draw(row["id"], index, "onset") * (latest - first + 1))
        heard = onset + reaction
        text = text_until(agent["text"], [Word(w["text"], w["start"], w["end"]) for w in words], heard / rate)
        if not text or text == agent["text"]:
            return None
        fade = min(round(barge_in.fade * rate), heard)
        return onset, Place(last.start, heard, text, last.whole, fade, last.offset)

    def _draw(self, id_: str, index: int, purpose: str) -> float:
        return stable_uniform(self.seed, "timing", self.settings.seed, purpose, id_, index)


def length_of(places: Iterable[Place]) -> int:
    """Samples of the whole dialogue."""
    return max(place.end for place in places)


def words_of(turn: FinishedTurn, place: Place) -> list[Word] | None:
    """The words that are heard of the turn, in seconds of the turn; None in a build without word times."""
    words = turn.get("words")
    if words is None:
        return None
    found = [Word(w["text"], w["start"], w["end"]) for w in words]
    if not place.cut:
        return found
    heard = place.samples / turn["sample_rate"]
    return [Word(w.text, w.start, min(w.end, heard)) for w in found if w.start < heard]
