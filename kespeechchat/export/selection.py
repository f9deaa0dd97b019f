"""What an export holds: which dialogues, the smallest partition of each, and how much it is. Every layout reads it.

The partitions are always cut from the whole dataset, or taken from a release; the subset only says what is written.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from kespeechchat.config.dataset import PartitionSettings
from kespeechchat.dataset.partitions import Cuts, Dialogues, Plan, apply, plan
from kespeechchat.export.wav_tree import ExportError, safe_name
from kespeechchat.seeds import stable_hash

Rows = Iterable[Mapping[str, Any]]
ReadAudio = Callable[[Mapping[str, Any]], Mapping[str, bytes]]
_MICRO = 1_000_000
_OF_TURN = ("role", "voice", "sample_rate", "seconds")
SURVEYED = ("language", "split", "seconds", *(f"turns.list.element.{name}" for name in _OF_TURN))  # Parquet columns


@dataclass(frozen=True)
class Subset:
    """What to export: one partition, one language, or (None) everything. The cuts are the whole dataset's."""

    partition: str | None = None
    language: str | None = None

    def languages(self, by_language: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in by_language.items() if self.language in (None, k)}


@dataclass(frozen=True)
class Selection:
    """The chosen dialogues: iterate it as often as you like. `rows` are all kept rows of stage `gate`."""

    rows: Rows
    subset: Subset
    plan: Plan
    splits: Counter  # dialogues by split, of the languages chosen
    dialogues: int
    hours: dict[str, float]  # by language
    user_share: float  # of the audio's seconds
    rates: tuple[int, ...]  # Hz, sorted: what the audio's sample rates are

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        last = None if self.subset.partition is None else self.names.index(self.subset.partition)
        for row in self.rows:
            if self.subset.language in (None, row["language"]) and (last is None or self.level(row) <= last):
                yield row

    @property
    def names(self) -> list[str]:
        """The partitions, smallest first."""
        return list(self.plan.contents)

    def level(self, row: Mapping[str, Any]) -> int:
        """Index of the smallest partition that holds the row; beyond the last for held-out dialogues."""
        if row["split"] != "train":
            return len(self.plan.contents)
        return self.plan.cuts.level(row["id"], row["language"], voices_of(row))

    def partition(self, row: Mapping[str, Any]) -> str | None:
        """Name of the smallest partition that holds the row; those after it hold it too."""
        level, names = self.level(row), self.names
        return names[level] if level < len(names) else None

    def rate(self) -> int:
        """The one sample rate of the audio, in Hz. Raises ExportError where there are several."""
        if len(self.rates) > 1:
            raise ExportError(f"the dialogues have different sample rates: {', '.join(map(str, self.rates))} Hz")
        return self.rates[0] if self.rates else 0

    def digest(self) -> str:
        """Changes with the subset or a cut, so with what any dialogue's line in an export says."""
        said = json.dumps([self.plan.cuts.to_json(), asdict(self.subset)], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


def select(
    rows: Rows,
    *,
    seed: int,
    partitions: PartitionSettings,
    subset: Subset | None = None,
    release: Cuts | None = None,
) -> Selection:
    """Reads `rows` once (they must be iterable more than once) and cuts the partitions, or takes them from `release`.
    Where they have a method `columns(names)`, which gives them with those Parquet columns alone, that is read.

    Raises ExportError for an id that is unsafe or comes twice, a row that is no dialogue, an unknown partition.
    """
    if iter(rows) is rows:
        raise TypeError("rows are read several times: give a list, or an object whose __iter__ starts anew")
    subset = subset or Subset()
    survey = _survey(rows.columns(SURVEYED) if hasattr(rows, "columns") else rows, seed, subset)
    cut = apply(release, survey.dialogues) if release else plan(survey.dialogues, partitions)
    dialogues, hours = survey.splits.total(), survey.hours()
    if subset.partition is not None:
        if subset.partition not in cut.contents:
            raise ExportError(f"no partition {subset.partition!r}; there is {', '.join(cut.contents)}")
        content = cut.contents[subset.partition]
        dialogues, hours = sum(subset.languages(content.dialogues).values()), subset.languages(content.hours)
    return Selection(
        rows, subset, cut, survey.splits, dialogues, hours, survey.user_share(), tuple(sorted(survey.rates))
    )


def voices_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """(user voice, agent voice). Raises ExportError where the turns are not the user's, then the agent's."""
    turns = row["turns"]
    if [t["role"] for t in turns] != ["user", "agent"]:
        raise ExportError(f"dialogue {row['id']}: a user's turn, then an agent's, got {[t['role'] for t in turns]}")
    return turns[0]["voice"], turns[1]["voice"]


@dataclass
class _Survey:
    """The first reading. Figures are of the languages that are exported, `dialogues` of all."""

    dialogues: Dialogues
    splits: Counter = field(default_factory=Counter)
    micros: Counter = field(default_factory=Counter)  # by language
    by_role: list[float] = field(default_factory=lambda: [0.0, 0.0])  # seconds of users, agents
    rates: set[int] = field(default_factory=set)

    def add(self, row: Mapping[str, Any]) -> None:
        self.splits[row["split"]] += 1
        self.micros[row["language"]] += round(row["seconds"] * _MICRO)
        for i, turn in enumerate(row["turns"]):
            self.by_role[i] += turn["seconds"]
            self.rates.add(turn["sample_rate"])

    def hours(self) -> dict[str, float]:
        return {k: round(v / _MICRO / 3600, 6) for k, v in sorted(self.micros.items())}

    def user_share(self) -> float:
        return self.by_role[0] / sum(self.by_role) if any(self.by_role) else 0.0


def _survey(rows: Rows, seed: int, subset: Subset) -> _Survey:
    survey, keys = _Survey(Dialogues(seed)), array("Q")
    for row in rows:
        keys.append(stable_hash(safe_name(row["id"])))
        voices = voices_of(row)
        if row["split"] == "train":
            survey.dialogues.add(row["id"], row["language"], *voices, row["seconds"])
        if subset.language in (None, row["language"]):
            survey.add(row)
    ordered = np.sort(np.frombuffer(keys, dtype=np.uint64)) if keys else np.zeros(0, dtype=np.uint64)
    if len(doubled := ordered[1:][ordered[1:] == ordered[:-1]]):
        name = next(r["id"] for r in rows if stable_hash(r["id"]) == int(doubled[0]))
        raise ExportError(f"dialogue id {name!r} comes twice; run `kesc verify`")
    return survey
