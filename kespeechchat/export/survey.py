"""The first reading of all rows: who says what to whom, how long, in which split.

Memory: 59 bytes a dialogue and 8 a turn (7 M dialogues of one exchange: 525 MB), besides the voices' names.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.blocks import Block, Bools, Codes, faulty
from kespeechchat.dataset.partitions import TrainingDialogues, ranks_of
from kespeechchat.dataset.seconds import MICRO
from kespeechchat.dataset.text_keys import Hashes, among, text_hashes
from kespeechchat.export.audio_files import UNSAFE, safe_name
from kespeechchat.export.errors import ExportError
from kespeechchat.processes import spread
from kespeechchat.rows import FinishedRow, fault_of
from kespeechchat.seeds import stable_hashes

_OF_TURN = ("role", "voice", "sample_rate", "seconds", "manner.name")
SURVEYED = ("language", "split", "seconds", *(f"turns.list.element.{name}" for name in _OF_TURN))  # Parquet columns
_READ = (*SURVEYED, "turns.list.element.text")
_KINDS = {  # of the columns: as `array` names them
    **{"keys": "Q", "ranks": "Q", "micros": "q", "user_micros": "q", "agent_micros": "q"},
    **{"rates": "i", "turns": "H", "rounds": "H", "manners": "B"},
}
_NAMED = {"languages": "B", "splits": "B", "users": "I", "agents": "I"}


class Part(Protocol):
    """Some of the rows; picklable, so that another process can read them."""

    def rows(self, columns: Sequence[str]) -> Iterator[FinishedRow]:
        """In order, with at least `id`, `shard`, `round` and these Parquet columns (`turns.list.element.text`)."""
        ...

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """The same rows, as columns."""
        ...


class Rows(Protocol):
    """All kept rows of stage `gate`. They are read several times."""

    def __iter__(self) -> Iterator[FinishedRow]:
        """Starts anew at each call."""
        ...

    def parts(self) -> Sequence[Part]:
        """Together they are the rows, in their order."""
        ...


def check_dialogue(row: FinishedRow) -> None:
    """Raises ExportError where the turns are no dialogue's."""
    if fault := fault_of(row["turns"]):
        raise ExportError(f"dialogue {row['id']}: {fault}")


@dataclass
class Survey:
    """What was read, dialogue by dialogue. Micros are microseconds of audio; `texts` hashes of what the turns say."""

    seed: int
    columns: dict[str, array[Any]] = field(default_factory=lambda: {k: array(v) for k, v in (_KINDS | _NAMED).items()})
    texts: array[int] = field(default_factory=lambda: array("Q"))
    names: dict[str, dict[str, int]] = field(default_factory=lambda: {"languages": {}, "splits": {}, "voices": {}})

    def extend(self, found: _Found) -> None:
        """What comes after it."""
        for name in _KINDS:
            self._append(self.columns[name], found.columns[name])
        for name, codes in found.named.items():
            into = self.names["voices" if name in ("users", "agents") else name]
            code = np.array([into.setdefault(one, len(into)) for one in codes.names], np.int64)
            self._append(self.columns[name], code[codes.codes])
        self._append(self.texts, found.texts)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One of the columns, [n]."""
        return np.frombuffer(self.columns[name], self.columns[name].typecode)

    def codes(self, name: str) -> Codes:
        """One of the columns of few names, [n]."""
        names = self.names["voices" if name in ("users", "agents") else name]
        return Codes(list(names), self.column(name))

    def shared(self) -> Bools:
        """bool [n]: the dialogues of which a turn, the user's or the agent's, says what a turn of another split says.
        The test split keeps all of its dialogues, dev those that say nothing of test, training what is left.
        The texts are forgotten then."""
        split = {name: self.codes("splits").where(name) for name in ("test", "dev", "train")}
        texts, ends = np.frombuffer(self.texts, np.uint64), np.cumsum(self.column("turns"), dtype=np.int64)

        def said(of: Bools) -> Hashes:
            return np.unique(texts[np.repeat(of, self.column("turns"))])

        test = said(split["test"])
        says_test, says_held = (
            _dialogues(ends, among(texts, keys)) for keys in (test, np.union1d(test, said(split["dev"])))
        )
        self.texts = array("Q")
        found: Bools = (split["dev"] & says_test) | (split["train"] & says_held)
        return found

    def training(self, wanted: Bools) -> TrainingDialogues:
        """Those of split train among the wanted."""
        train = wanted & self.codes("splits").where("train")
        named = (self.codes(name).take(train) for name in ("languages", "users", "agents"))
        return TrainingDialogues.of(self.seed, self.column("ranks")[train], self.column("micros")[train], *named)

    def doubled(self) -> int | None:
        """The hash of an id that comes twice, or None."""
        ordered = np.sort(self.column("keys"))
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        return int(twice[0]) if len(twice) else None

    @staticmethod
    def _append(column: array[Any], values: npt.NDArray[Any]) -> None:
        column.frombytes(np.ascontiguousarray(values, column.typecode).tobytes())


def survey(parts: Iterable[Part], seed: int, processes: int | None) -> Survey:
    """Reads the parts. Raises ExportError for an id that is unsafe, and for a row that is no dialogue."""
    found = Survey(seed)
    for pieces in spread(_Surveyor(seed), list(parts), processes):
        for piece in pieces:
            found.extend(piece)
    return found


def _any(block: Block, of_turns: pa.Array) -> Bools:
    """bool [n]: the dialogues with a turn in which the column is not null."""
    found = np.zeros(len(block), bool)
    found[block.dialogue_of[of_turns.is_valid().to_numpy(zero_copy_only=False)]] = True
    return found


def _dialogues(ends: npt.NDArray[np.int64], turns: npt.NDArray[np.int64]) -> Bools:
    """bool [n]: the dialogues that have one of these turns."""
    found = np.zeros(len(ends), bool)
    found[np.searchsorted(ends, turns, side="right")] = True
    return found


@dataclass(frozen=True)
class _Found:
    """Of one block."""

    columns: dict[str, npt.NDArray[Any]]
    named: dict[str, Codes]
    texts: Hashes


@dataclass(frozen=True)
class _Surveyor:
    """Reads parts, for `processes.spread`."""

    seed: int

    def do(self, part: Part) -> list[_Found]:
        return [self._found(block) for block in part.blocks(_READ)]

    def merge(self, other: _Surveyor) -> None:
        """Nothing is gathered: the pieces hold all."""

    def _found(self, block: Block) -> _Found:
        for unsafe in block.ids.filter(pc.match_substring_regex(block.ids, UNSAFE)).to_pylist():
            safe_name(unsafe)
        if (wrong := faulty(block)) is not None:
            check_dialogue(block.row(wrong))
        ids, first, (users, agents) = block.ids.to_pylist(), block.first[:-1], block.speakers()
        seconds = np.rint(block.turn_numbers("seconds") * MICRO)
        by_role = [np.bincount(block.dialogue_of, seconds * (block.place % 2 == side), len(block)) for side in (0, 1)]
        columns = {
            "keys": stable_hashes((), ids),
            "ranks": ranks_of(ids, self.seed),
            "micros": np.rint(block.numbers("seconds") * MICRO),
            "user_micros": by_role[0],
            "agent_micros": by_role[1],
            "rates": block.turn_numbers("sample_rate")[first],
            "turns": np.diff(block.first),
            "rounds": block.numbers("round"),
            "manners": _any(block, block.manners("name")),
        }
        named = {"languages": block.codes("language"), "splits": block.codes("split"), "users": users, "agents": agents}
        return _Found(columns, named, text_hashes(block.of_turns("text")))
