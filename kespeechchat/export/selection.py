"""What an export holds: which dialogues, the smallest partition of each, and how much it is. Every layout reads it.

The partitions are always cut from the whole dataset, or taken from a release; the subset only says what is written.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from kespeechchat.config.dataset import PartitionSettings
from kespeechchat.dataset.dialogue_splits import text_key
from kespeechchat.dataset.partitions import Cuts, PartitionCuts, TrainingDialogues, apply_cuts, cut_partitions
from kespeechchat.export.audio_files import safe_name
from kespeechchat.export.errors import ExportError
from kespeechchat.processes import spread
from kespeechchat.records import Split
from kespeechchat.rows import FinishedRow, fault_of
from kespeechchat.seeds import stable_hash

ValueT = TypeVar("ValueT")
Hashes = npt.NDArray[np.uint64]
_MICRO = 1_000_000
NOTHING: Hashes = np.zeros(0, dtype=np.uint64)
_TEXTS = ("split", "turns.list.element.text")  # Parquet columns
_OF_TURN = ("role", "voice", "sample_rate", "seconds", "manner.name")
SURVEYED = ("language", "split", "seconds", *(f"turns.list.element.{name}" for name in _OF_TURN))  # Parquet columns


class Part(Protocol):
    """Some of the rows; picklable, so that another process can read them."""

    def rows(self, columns: Sequence[str]) -> Iterator[FinishedRow]:
        """In order, with at least `id`, `shard`, `round` and these Parquet columns (`turns.list.element.text`)."""
        ...


class Rows(Protocol):
    """All kept rows of stage `gate`. They are read several times."""

    def __iter__(self) -> Iterator[FinishedRow]:
        """Starts anew at each call."""
        ...

    def parts(self) -> Sequence[Part]:
        """Together they are the rows, in their order."""
        ...


@dataclass(frozen=True)
class InMemory:
    """Rows that are in memory already, as one part."""

    all: Sequence[FinishedRow]

    def __iter__(self) -> Iterator[FinishedRow]:
        return iter(self.all)

    def rows(self, columns: Sequence[str]) -> Iterator[FinishedRow]:
        """As `Part.rows`."""
        return iter(self.all)

    def parts(self) -> Sequence[Part]:
        """As `Rows.parts`."""
        return [self]


@dataclass(frozen=True)
class Subset:
    """What to export: one partition, one language, or (None) everything. The cuts are the whole dataset's."""

    partition: str | None = None
    language: str | None = None

    def languages(self, by_language: Mapping[str, ValueT]) -> dict[str, ValueT]:
        """Those of the chosen languages."""
        return {k: v for k, v in by_language.items() if self.language in (None, k)}


@dataclass(frozen=True)
class Rule:
    """Which dialogues an export holds, and in which partition each is: what a process must know to choose its own."""

    subset: Subset
    cuts: Cuts
    barred: frozenset[int] = frozenset()  # hashes of the ids that no export may hold, see `shared_texts`
    without: Hashes = field(default_factory=NOTHING.copy, compare=False)  # sorted hashes of the ids that are left out

    def level(self, row: FinishedRow) -> int:
        """Index of the smallest partition that holds the row; beyond the last for held-out dialogues."""
        if row["split"] != "train":
            return len(self.cuts.names)
        return self.cuts.level(row["id"], row["language"], voices_of(row))

    def bars(self, row: FinishedRow) -> bool:
        """Whether the row is in no such export, whatever the subset."""
        if not self.barred and not len(self.without):
            return False
        key = stable_hash(row["id"])
        return key in self.barred or holds(self.without, key)

    def name(self, level: int) -> str | None:
        """The partition at that place; None for held-out dialogues."""
        return self.cuts.names[level] if level < len(self.cuts.names) else None

    def chosen(self, rows: Iterable[FinishedRow]) -> Iterator[tuple[FinishedRow, int]]:
        """The rows that the subset holds, each with its level."""
        names, wanted = self.cuts.names, self.subset
        last = len(names) if wanted.partition is None else names.index(wanted.partition)
        for row in rows:
            if self.bars(row):
                continue
            if wanted.language in (None, row["language"]) and (level := self.level(row)) <= last:
                yield row, level


@dataclass(frozen=True)
class Selection:
    """The chosen dialogues: iterate it as often as you like. `rows` are all kept rows of stage `gate`."""

    rows: Rows
    subset: Subset
    partitions: PartitionCuts
    splits: Counter[Split]  # dialogues by split, of the languages chosen
    dialogues: int
    hours: Mapping[str, float]  # by language
    user_share: float  # of the audio's seconds
    rates: tuple[int, ...]  # Hz, sorted: what the audio's sample rates are
    refused: int  # takes that a round refused of the dialogues that a later one kept, of the languages chosen
    longer: int = 0  # dialogues of several exchanges, of the languages chosen
    barred: frozenset[int] = frozenset()  # see `Rule`
    without: Hashes = field(default_factory=NOTHING.copy, compare=False)  # see `Rule`
    manners: bool = False  # whether any turn, of the languages chosen, is spoken in one

    def __iter__(self) -> Iterator[FinishedRow]:
        for row, _ in self.rule.chosen(self.rows):
            yield row

    @property
    def rule(self) -> Rule:
        """What chooses the dialogues."""
        return Rule(self.subset, self.partitions.cuts, self.barred, self.without)

    @property
    def names(self) -> tuple[str, ...]:
        """The partitions, smallest first."""
        return self.partitions.cuts.names

    def partition(self, row: FinishedRow) -> str | None:
        """Name of the smallest partition that holds the row; those after it hold it too."""
        return self.rule.name(self.rule.level(row))

    def rate(self) -> int:
        """The one sample rate of the audio, in Hz. Raises ExportError where there are several."""
        if len(self.rates) > 1:
            raise ExportError(f"the dialogues have different sample rates: {', '.join(map(str, self.rates))} Hz")
        return self.rates[0] if self.rates else 0

    def digest(self) -> str:
        """Changes with the subset, a cut or what is left out, so with what any dialogue's line in an export says, and
        with which dialogues a shard holds."""
        said = json.dumps([self.partitions.cuts.to_json(), asdict(self.subset)], sort_keys=True)
        return hashlib.sha256(said.encode() + self.without.tobytes()).hexdigest()


def holds(keys: Hashes, key: int) -> bool:
    """Whether the sorted hashes have this one."""
    at = int(np.searchsorted(keys, np.uint64(key)))
    return at < len(keys) and int(keys[at]) == key


def select(
    rows: Rows,
    *,
    seed: int,
    partitions: PartitionSettings,
    subset: Subset | None = None,
    release: Cuts | None = None,
    processes: int | None = None,
) -> Selection:
    """Reads `rows` and cuts the partitions, or takes them from `release`; without what `shared_texts` finds.
    Several processes read their parts where these are many: `processes` as in `processes.spread`.

    Raises ExportError for an id that is unsafe or comes twice, a row that is no dialogue, an unknown partition.
    """
    subset = subset or Subset()
    barred = shared_texts(rows, processes)
    survey = _survey(rows, seed, subset, processes, barred)
    cut = apply_cuts(release, survey.dialogues) if release else cut_partitions(survey.dialogues, partitions)
    dialogues, hours = survey.splits.total(), survey.hours()
    if subset.partition is not None:
        if subset.partition not in cut.contents:
            raise ExportError(f"no partition {subset.partition!r}; there is {', '.join(cut.contents)}")
        content = cut.contents[subset.partition]
        dialogues, hours = sum(subset.languages(content.dialogues).values()), subset.languages(content.hours)
    return Selection(
        rows,
        subset,
        cut,
        survey.splits,
        dialogues,
        hours,
        survey.user_share(),
        tuple(sorted(survey.rates)),
        survey.refused,
        survey.longer,
        barred,
        manners=survey.manners,
    )


def shared_texts(rows: Rows, processes: int | None = None) -> frozenset[int]:
    """Hashes of the ids of dialogues of which a turn, the user's or the agent's, says what a turn of another split
    says. The test split keeps all of its dialogues, dev those that say nothing of test, training what is left.

    Memory: 16 bytes for each turn, twice for a moment."""
    said: dict[Split, array[int]] = {split: array("Q") for split in get_args(Split)}
    for piece in spread(_Said(), rows.parts(), processes):
        for split, pairs in piece.items():
            said[split].extend(pairs)
    test, dev, train = (np.frombuffer(said[split], np.uint64).reshape(-1, 2) for split in ("test", "dev", "train"))
    held = np.concatenate([test[:, 1], dev[:, 1]])
    shared = [dev[np.isin(dev[:, 1], test[:, 1]), 0], train[np.isin(train[:, 1], held), 0]]
    return frozenset(np.concatenate(shared).tolist())


class _Said:
    """Reads parts, for `processes.spread`: by split, a hash of the dialogue's id and one of the text, turn by turn."""

    def do(self, part: Part) -> dict[Split, array[int]]:
        said: dict[Split, array[int]] = defaultdict(lambda: array("Q"))
        for row in part.rows(_TEXTS):
            pairs, id_ = said[row["split"]], stable_hash(row["id"])
            for turn in row["turns"]:
                pairs.extend((id_, stable_hash("text", text_key(turn["text"]))))
        return dict(said)

    def merge(self, other: _Said) -> None:
        pass


def voices_of(row: FinishedRow) -> tuple[str, str]:
    """(user voice, agent voice). Raises ExportError where the turns are no dialogue's."""
    turns = row["turns"]
    if fault := fault_of(turns):
        raise ExportError(f"dialogue {row['id']}: {fault}")
    return turns[0]["voice"], turns[1]["voice"]


@dataclass
class _Survey:
    """The first reading. Figures are of the languages that are exported; `dialogues` and `keys` (a hash of each id) of
    all."""

    dialogues: TrainingDialogues
    keys: array[int] = field(default_factory=lambda: array("Q"))
    splits: Counter[Split] = field(default_factory=Counter)
    micros: Counter[str] = field(default_factory=Counter)
    by_role: Counter[int] = field(default_factory=Counter)  # microseconds of users (0) and agents (1)
    rates: set[int] = field(default_factory=set)
    refused: int = 0
    longer: int = 0
    manners: bool = False

    def add(self, row: FinishedRow, subset: Subset, barred: frozenset[int]) -> None:
        key = stable_hash(safe_name(row["id"]))
        self.keys.append(key)
        if key in barred:
            return
        voices = voices_of(row)
        if row["split"] == "train":
            self.dialogues.add(row["id"], row["language"], *voices, row["seconds"])
        if subset.language not in (None, row["language"]):
            return
        self.splits[row["split"]] += 1
        self.refused += row["round"]
        self.longer += len(row["turns"]) > 2
        self.micros[row["language"]] += round(row["seconds"] * _MICRO)
        for i, turn in enumerate(row["turns"]):
            self.by_role[i % 2] += round(turn["seconds"] * _MICRO)
            self.rates.add(turn["sample_rate"])
            self.manners = self.manners or bool(turn.get("manner"))

    def extend(self, later: _Survey) -> None:
        self.dialogues.extend(later.dialogues)
        self.keys.extend(later.keys)
        self.splits.update(later.splits)
        self.micros.update(later.micros)
        self.by_role.update(later.by_role)
        self.rates |= later.rates
        self.refused += later.refused
        self.longer += later.longer
        self.manners |= later.manners

    def hours(self) -> Mapping[str, float]:
        return {k: round(v / _MICRO / 3600, 6) for k, v in sorted(self.micros.items())}

    def user_share(self) -> float:
        return self.by_role[0] / self.by_role.total() if self.by_role.total() else 0.0


@dataclass(frozen=True)
class _Surveyor:
    """Reads parts, for `processes.spread`; the pieces hold all it finds."""

    seed: int
    subset: Subset
    barred: frozenset[int]

    def do(self, part: Part) -> _Survey:
        survey = _Survey(TrainingDialogues(self.seed))
        for row in part.rows(SURVEYED):
            survey.add(row, self.subset, self.barred)
        return survey

    def merge(self, other: _Surveyor) -> None:
        pass


def _survey(rows: Rows, seed: int, subset: Subset, processes: int | None, barred: frozenset[int]) -> _Survey:
    survey = _Survey(TrainingDialogues(seed))
    for piece in spread(_Surveyor(seed, subset, barred), rows.parts(), processes):
        survey.extend(piece)
    keys = survey.keys
    ordered = np.sort(np.frombuffer(keys, dtype=np.uint64)) if keys else np.zeros(0, dtype=np.uint64)
    if len(doubled := ordered[1:][ordered[1:] == ordered[:-1]]):
        name = next(r["id"] for r in rows if stable_hash(r["id"]) == int(doubled[0]))
        raise ExportError(f"dialogue id {name!r} comes twice; run `kesc verify`")
    return survey
