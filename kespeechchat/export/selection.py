"""What an export holds: which dialogues, the smallest partition of each, and how much it is. Every layout reads it.

The partitions are always cut from the whole dataset, or taken from a release; the subset only says what is written.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar, cast

import numpy as np

from kespeechchat.blocks import Block, Bools, Ints, blocks_of, faulty
from kespeechchat.config.dataset import PartitionSettings
from kespeechchat.dataset.partitions import Content, Cuts, PartitionCuts, apply_cuts, cut_partitions, ranks_of
from kespeechchat.dataset.seconds import MICRO
from kespeechchat.dataset.text_keys import Hashes, among
from kespeechchat.export.errors import ExportError
from kespeechchat.export.survey import Part, Rows, Survey, check_dialogue, survey
from kespeechchat.records import Split
from kespeechchat.rows import FinishedRow
from kespeechchat.seeds import stable_hash, stable_hashes

ValueT = TypeVar("ValueT")
NOTHING: Hashes = np.zeros(0, dtype=np.uint64)


@dataclass(frozen=True)
class InMemory:
    """Rows that are in memory already, as one part."""

    all: Sequence[FinishedRow]

    def __iter__(self) -> Iterator[FinishedRow]:
        return iter(self.all)

    def rows(self, columns: Sequence[str]) -> Iterator[FinishedRow]:
        """As `Part.rows`."""
        return iter(self.all)

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """As `Part.blocks`."""
        return blocks_of(self.all)

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
    # Sorted hashes of ids: those that no export may hold (`Survey.shared`), and those that this one leaves out.
    barred: Hashes = field(default_factory=NOTHING.copy, compare=False)
    without: Hashes = field(default_factory=NOTHING.copy, compare=False)

    def level(self, row: FinishedRow) -> int:
        """Index of the smallest partition that holds the row; beyond the last for held-out dialogues."""
        if row["split"] != "train":
            return len(self.cuts.names)
        return self.cuts.level(row["id"], row["language"], voices_of(row))

    def bars(self, row: FinishedRow) -> bool:
        """Whether the row is in no such export, whatever the subset."""
        if not len(self.barred) and not len(self.without):
            return False
        key = stable_hash(row["id"])
        return holds(self.barred, key) or holds(self.without, key)

    def cut_block(self, block: Block) -> tuple[Block, Ints]:
        """As `chosen` of a block, but with the dialogues of `without`: those of its dialogues, and int64 [n], their
        levels."""
        ids = block.ids.to_pylist()
        wanted = ~are_among(ids, self.barred)
        languages, names = block.codes("language"), self.cuts.names
        if self.subset.language is not None:
            wanted &= languages.where(self.subset.language)
        if (wrong := faulty(block)) is not None:
            check_dialogue(block.row(wrong))
        levels = self.cuts.levels(ranks_of(ids, self.cuts.seed), languages, block.speakers())
        levels[~block.codes("split").where("train")] = len(names)
        if self.subset.partition is not None:
            wanted &= levels <= names.index(self.subset.partition)
        return block.take(wanted), levels[wanted]

    def kept(self, block: Block) -> Bools:
        """bool [n]: the dialogues of a block that are not left out."""
        return ~are_among(block.ids.to_pylist(), self.without)

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
    barred: Hashes = field(default_factory=NOTHING.copy, compare=False)  # see `Rule`
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


def are_among(ids: Sequence[str], keys: Hashes) -> Bools:
    """bool [n]: the ids whose hash is among the sorted ones."""
    found = np.zeros(len(ids), bool)
    if len(keys):
        found[among(stable_hashes((), ids), keys)] = True
    return found


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
    """Reads `rows` and cuts the partitions, or takes them from `release`; without what `Survey.shared` finds.
    Several processes read their parts where these are many: `processes` as in `processes.spread`.

    Raises ExportError for an id that is unsafe or comes twice, a row that is no dialogue, an unknown partition.
    """
    subset = subset or Subset()
    found = survey(rows.parts(), seed, processes)
    if (twice := found.doubled()) is not None:
        name = next(r["id"] for r in rows if stable_hash(r["id"]) == twice)
        raise ExportError(f"dialogue id {name!r} comes twice; run `kesc verify`")
    barred = found.shared()
    dialogues = found.training(~barred)
    cut = apply_cuts(release, dialogues) if release else cut_partitions(dialogues, partitions)
    if subset.partition is not None and subset.partition not in cut.contents:
        raise ExportError(f"no partition {subset.partition!r}; there is {', '.join(cut.contents)}")
    figures = _Figures.of(found, subset, barred)
    if subset.partition is not None:
        figures = figures.inside(subset, cut.contents[subset.partition])
    keys = np.sort(found.column("keys")[barred])
    return Selection(rows, subset, cut, barred=keys, **vars(figures))


def voices_of(row: FinishedRow) -> tuple[str, str]:
    """(user voice, agent voice). Raises ExportError where the turns are no dialogue's."""
    check_dialogue(row)
    turns = row["turns"]
    return turns[0]["voice"], turns[1]["voice"]


@dataclass(frozen=True)
class _Figures:
    """What `Selection` says of the languages that are exported, under the same names."""

    splits: Counter[Split]
    dialogues: int
    hours: Mapping[str, float]
    user_share: float
    rates: tuple[int, ...]
    refused: int
    longer: int
    manners: bool

    @classmethod
    def of(cls, found: Survey, subset: Subset, barred: Bools) -> _Figures:
        languages, splits = found.codes("languages"), found.codes("splits")
        wanted = ~barred if subset.language is None else ~barred & languages.where(subset.language)
        user, agent = (int(found.column(name)[wanted].sum()) for name in ("user_micros", "agent_micros"))
        micros = {k: found.column("micros")[wanted & languages.where(k)] for k in languages.take(wanted).present()}
        by_split = {k: int((wanted & splits.where(k)).sum()) for k in splits.take(wanted).present()}
        return cls(
            splits=Counter(cast(dict[Split, int], by_split)),
            dialogues=int(wanted.sum()),
            hours={k: round(int(own.sum()) / MICRO / 3600, 6) for k, own in sorted(micros.items())},
            user_share=user / (user + agent) if user + agent else 0.0,
            rates=tuple(np.unique(found.column("rates")[wanted]).tolist()),
            refused=int(found.column("rounds")[wanted].sum()),
            longer=int((found.column("turns")[wanted] > 2).sum()),
            manners=bool(found.column("manners")[wanted].any()),
        )

    def inside(self, subset: Subset, content: Content) -> _Figures:
        """The same of one partition, as far as it is known."""
        dialogues = sum(subset.languages(content.dialogues).values())
        return replace(self, dialogues=dialogues, hours=subset.languages(content.hours))
