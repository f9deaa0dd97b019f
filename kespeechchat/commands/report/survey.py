"""One pass over the dialogues of a build: values to draw, and the few that are worth hearing.

A large build is sampled: whole shards, of each language as many, chosen by a hash of their numbers. So two builds of
the same rows are sampled alike, and a report made twice is the same.
"""

from __future__ import annotations

import heapq
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.dataset.statistics import spoken_length
from kespeechchat.listening.dialogues import Dialogues, Heard
from kespeechchat.records import Language
from kespeechchat.seeds import stable_hash

MOST = 50_000  # dialogues that are looked at
_EACH = 9  # candidates kept of a kind and language; some are shown as another kind

Values = dict[tuple[str, str, bool], "array[float]"]  # (quantity, language, kept)


@dataclass(frozen=True)
class Kind:
    """A kind of dialogues to hear, and why."""

    key: str
    title: str
    about: str


OUTSIDE = Kind("outside", "Just outside the gate", "Rejected for their error rate by the least.")
INSIDE = Kind("inside", "Just inside the gate", "Kept with the highest error rates.")
LOW = Kind("low", "Lowest quality that was kept", "Kept dialogues whose worst turn has the lowest score.")
RANDOM = Kind("random", "By chance", "Kept dialogues, drawn by a hash of their ids.")
KINDS = (RANDOM, INSIDE, OUTSIDE, LOW)


@dataclass
class Survey:
    """What the pass gathered. `dialogues` counts what was seen by (language, fate, reason)."""

    values: Values = field(default_factory=lambda: defaultdict(lambda: array("d")))
    dialogues: dict[tuple[str, str, str | None], int] = field(default_factory=lambda: defaultdict(int))
    edits: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    marked: list[int] = field(default_factory=lambda: [0, 0])  # turns whose mark was found, turns checked; kept ones
    heads: set[str] = field(default_factory=set)
    shards: int = 0
    of_shards: int = 0
    _best: dict[tuple[str, str], list[tuple[float, int, str, Heard]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def seen(self) -> int:
        """Dialogues that were looked at."""
        return sum(self.dialogues.values())

    @property
    def sampled(self) -> bool:
        """Whether there were more."""
        return self.shards < self.of_shards

    def of(self, quantity: str, language: str, kept: bool) -> np.ndarray:
        """float64 [n]."""
        return np.frombuffer(self.values.get((quantity, language, kept)) or array("d"), dtype=np.float64)

    def add(self, heard: Heard, pipeline: Pipeline) -> None:
        """One dialogue."""
        self.dialogues[heard.language, heard.fate, heard.reason] += 1
        self._measure(heard, pipeline.watermark_threshold)
        self._offer(heard, pipeline)

    def chosen(self, kind: str, language: str) -> list[Heard]:
        """The candidates of a kind (a `Kind.key` or `reason:CODE`), the best first."""
        return [found[3] for found in sorted(self._best.get((kind, language), ()), key=lambda e: (-e[0], e[1]))]

    def reasons(self) -> list[str]:
        """Of rejections, and `error` of failures, the commonest first."""
        counts: dict[str, int] = defaultdict(int)
        for (_, fate, reason), n in self.dialogues.items():
            if fate != "kept":
                counts[reason or "unnamed"] += n
        return sorted(counts, key=lambda reason: (-counts[reason], reason))

    def _measure(self, heard: Heard, threshold: float) -> None:
        kept = heard.fate == "kept"

        def note(quantity: str, value: float | None) -> None:
            if value is not None:
                self.values[quantity, heard.language, kept].append(value)

        note("error_rate", heard.error_rate)
        note("seconds", heard.seconds)
        note("turns", len(heard.turns) or None)
        if kept and heard.metric and heard.units is not None and heard.edits is not None:
            pooled = self.edits[heard.language, heard.metric]
            pooled[0] += heard.edits
            pooled[1] += heard.units
        for turn in heard.turns:
            note(f"length:{turn.role}", spoken_length(turn.text, heard.language))
            note("pace", turn.pace)
            note("silence", turn.longest_silence)
            for head, value in turn.scores.items():
                self.heads.add(head)
                note(f"score:{head}", value)
            if kept and turn.watermark_score is not None:
                self.marked[0] += turn.watermark_score >= threshold
                self.marked[1] += 1

    def _offer(self, heard: Heard, pipeline: Pipeline) -> None:
        chance = stable_hash(pipeline.seed, "report", heard.id) / 2**64
        if heard.fate == "kept":
            self._keep(RANDOM.key, heard, chance)
            if heard.error_rate:
                self._keep(INSIDE.key, heard, heard.error_rate)
            if (low := lowest_score(heard)) is not None:
                self._keep(LOW.key, heard, -low)
            return
        self._keep(f"reason:{heard.reason or 'unnamed'}", heard, chance)
        if heard.reason == "error_rate" and heard.error_rate is not None:
            self._keep(OUTSIDE.key, heard, -heard.error_rate)

    def _keep(self, kind: str, heard: Heard, worth: float) -> None:
        """Among the few of the kind that are worth most."""
        own = self._best[kind, heard.language]
        heapq.heappush(own, (worth, -stable_hash("tie", heard.id), heard.id, heard))
        if len(own) > _EACH:
            heapq.heappop(own)


def lowest_score(heard: Heard) -> float | None:
    """Of the first of these heads that was measured: its lowest over the turns."""
    for head in ("dnsmos_ovrl", "distillmos", "utmos"):
        found = [turn.scores[head] for turn in heard.turns if head in turn.scores]
        if found:
            return min(found)
    return None


def sample_of(dialogues: Dialogues, sizes: Mapping[int, tuple[Language | None, int]], most: int = MOST) -> list[int]:
    """Numbers of the shards to look at, in order: all, or of each language as many as hold its share of `most`
    dialogues. `sizes`: shard → its language and rows."""
    shards = dialogues.shards
    by_language: dict[str | None, list[int]] = defaultdict(list)
    for shard in shards:
        by_language[sizes[shard][0]].append(shard)
    if sum(sizes[shard][1] for shard in shards) <= most:
        return shards
    chosen: list[int] = []
    for own in by_language.values():
        left = most // len(by_language)
        for shard in sorted(own, key=lambda n: stable_hash("report shard", n)):
            if left <= 0:
                break
            chosen.append(shard)
            left -= sizes[shard][1]
    return sorted(chosen)


def survey(dialogues: Dialogues, shards: Sequence[int]) -> Survey:
    """One pass over these shards; memory holds the values and a few dialogues of each kind."""
    found = Survey(shards=len(shards), of_shards=len(dialogues.shards))
    for heard in _each(dialogues, shards):
        found.add(heard, dialogues.build_state.pipeline)
    return found


def _each(dialogues: Dialogues, shards: Sequence[int]) -> Iterator[Heard]:
    for shard in shards:
        yield from dialogues.of(shard, lineage=False)
