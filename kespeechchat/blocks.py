"""Finished dialogues as columns: what an export computes with, where a row at a time would be Python's work.

A block is some thousand dialogues, in order, in one Arrow table: the columns that were asked for, and `shard`, `round`
and `review` of `rows.FinishedRow`. What holds of single rows only (a barge-in, a fault) takes them out as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.records import SCHEMAS
from kespeechchat.rows import FinishedRow

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
MOST = 8192  # dialogues of a block: some ten megabytes


@dataclass(frozen=True)
class Codes:
    """A column of few different strings: value i is `names[codes[i]]`; `codes` is int64 [n]."""

    names: Sequence[str]
    codes: Ints

    def where(self, name: str) -> Bools:
        """bool [n]: which values are `name`."""
        found: Bools = self.codes == (self.names.index(name) if name in self.names else -1)
        return found

    def take(self, wanted: Bools | Ints) -> Codes:
        """Of some values; the names stay."""
        return Codes(self.names, self.codes[wanted])

    def present(self) -> list[str]:
        """The names that a value has."""
        return [self.names[i] for i in np.unique(self.codes)]


@dataclass(frozen=True)
class Lists:
    """Lists of structs, [m], some of them null."""

    lists: pa.Array

    @cached_property
    def first(self) -> Ints:
        """int64 [m + 1]: where the items of each list begin among all items."""
        if pa.types.is_null(self.lists.type):
            return np.zeros(len(self.lists) + 1, np.int64)
        lengths = pc.fill_null(pc.list_value_length(self.lists), 0).to_numpy(zero_copy_only=False)
        return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))

    @cached_property
    def list_of(self) -> Ints:
        """int64 [k]: in which list each item is."""
        return np.repeat(np.arange(len(self.lists)), np.diff(self.first))

    @cached_property
    def _items(self) -> pa.StructArray:
        return self.lists.flatten()

    def column(self, name: str) -> pa.Array:
        """A field of all items, [k]."""
        return pa.nulls(0) if pa.types.is_null(self.lists.type) else pc.struct_field(self._items, name)


@dataclass(frozen=True)
class Block:
    """`table`: n dialogues, with m turns in all. Columns of turns are those of all turns, dialogue by dialogue."""

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> pa.Array:
        """A column of dialogues, as one array."""
        return whole(self.table[name])

    def codes(self, name: str) -> Codes:
        """A column of dialogues that has few different strings."""
        return coded(self.column(name))

    def numbers(self, name: str) -> Floats:
        """float64 [n]: a column of dialogues. Raises ValueError where it is null."""
        return _numbers(name, self.column(name))

    @cached_property
    def ids(self) -> pa.Array:
        """string [n]."""
        return self.column("id")

    @cached_property
    def first(self) -> Ints:
        """int64 [n + 1]: where the turns of each dialogue begin in the columns of turns."""
        return Lists(self.column("turns")).first

    @cached_property
    def dialogue_of(self) -> Ints:
        """int64 [m]: whose turn each turn is."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    @cached_property
    def place(self) -> Ints:
        """int64 [m]: the place of each turn in its dialogue, from 0 on."""
        return np.arange(self.first[-1]) - self.first[self.dialogue_of]

    @cached_property
    def _turns(self) -> pa.StructArray:
        return self.column("turns").flatten()

    def of_turns(self, name: str) -> pa.Array:
        """A column of turns; nulls where the table has it not."""
        found = self._turns.type.get_field_index(name)
        return pa.nulls(len(self._turns)) if found < 0 else pc.struct_field(self._turns, [found])

    def manners(self, name: str) -> pa.Array:
        """A column of the manners of turns, null where a turn is spoken plainly, or the table has it not."""
        manners = self.of_turns("manner")
        lacks = pa.types.is_null(manners.type) or manners.type.get_field_index(name) < 0
        return pa.nulls(len(manners)) if lacks else pc.struct_field(manners, name)

    def turn_codes(self, name: str) -> Codes:
        """A column of turns that has few different strings."""
        return coded(self.of_turns(name))

    def turn_numbers(self, name: str) -> Floats:
        """float64 [m]: a column of turns. Raises ValueError where it is null."""
        return _numbers(f"turns: {name}", self.of_turns(name))

    @cached_property
    def voices(self) -> Codes:
        """Of each turn."""
        return self.turn_codes("voice")

    @cached_property
    def samples(self) -> Ints:
        """int64 [m]: how many samples the audio of each turn has."""
        found: Ints = np.rint(self.turn_numbers("seconds") * self.turn_numbers("sample_rate")).astype(np.int64)
        return found

    def speakers(self) -> tuple[Codes, Codes]:
        """The voices of each dialogue: the user's, the agent's. The dialogues have no fault."""
        first = self.first[:-1]
        return self.voices.take(first), self.voices.take(first + 1)

    def turn_lists(self, name: str) -> Lists:
        """A column of turns that are lists of structs."""
        return Lists(self.of_turns(name))

    def take(self, wanted: Bools) -> Block:
        """Some of the dialogues."""
        return self if wanted.all() else Block(self.table.filter(pa.array(wanted)))

    def rows(self) -> list[FinishedRow]:
        """The dialogues as rows."""
        return cast(list[FinishedRow], self.table.to_pylist())

    def row(self, index: int) -> FinishedRow:
        """One of them."""
        return Block(self.table.slice(index, 1)).rows()[0]


def blocks(tables: Iterable[pa.Table], most: int = MOST) -> Iterator[Block]:
    """The rows of the tables in blocks of at most `most` dialogues. Tables of unlike columns, such as shards of two
    versions, share no block."""
    waiting: list[pa.Table] = []
    for table in tables:
        for start in range(0, len(table), most):
            piece = table.slice(start, most)
            full = sum(map(len, waiting)) + len(piece) > most
            if full or (waiting and not piece.schema.equals(waiting[0].schema)):
                yield _block(waiting)
                waiting = []
            waiting.append(piece)
    if waiting:
        yield _block(waiting)


def faulty(block: Block) -> int | None:
    """The place of the first of the dialogues that `rows.fault_of` finds fault with, or None."""
    place, first, roles, voices = block.place, block.first[block.dialogue_of], block.turn_codes("role"), block.voices
    wrong = ~np.where(place % 2, roles.where("agent"), roles.where("user"))
    lengths = np.diff(block.first)
    odd = (lengths < 2) | (lengths % 2 > 0)
    own = np.minimum(first + place % 2, len(place) - 1)
    wrong |= voices.codes != voices.codes[own]
    if not (rates := block.of_turns("sample_rate")).null_count:
        wrong |= (numbers := rates.to_numpy(zero_copy_only=False)) != numbers[first]
    odd[block.dialogue_of[wrong]] = True
    return int(np.flatnonzero(odd)[0]) if odd.any() else None


def blocks_of(rows: Iterable[FinishedRow], most: int = MOST) -> Iterator[Block]:
    """Rows as blocks; their numbers keep all digits. What a row lacks is null."""
    waiting = iter(rows)
    while some := list(islice(waiting, most)):
        yield Block(pa.Table.from_pylist(some, schema=_schema()).combine_chunks())


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def coded(strings: pa.Array) -> Codes:
    """Strings, none of them null, by what they are. Raises ValueError for a null."""
    if strings.null_count:
        raise ValueError(f"{strings.null_count} of {len(strings)} strings are missing")
    found = strings.dictionary_encode()
    return Codes(found.dictionary.to_pylist(), found.indices.to_numpy(zero_copy_only=False).astype(np.int64))


def check_finite(name: str, values: Floats) -> None:
    """Raises ValueError, with the name of the column, where a value is no finite number."""
    if wrong := int((~np.isfinite(values)).sum()):
        raise ValueError(f"{name}: {wrong} of {len(values)} numbers are not finite")


def _block(tables: Sequence[pa.Table]) -> Block:
    return Block(pa.concat_tables(tables).combine_chunks())


def _numbers(name: str, column: pa.Array) -> Floats:
    if column.null_count:
        raise ValueError(f"{name}: {column.null_count} of {len(column)} values are missing")
    found: Floats = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return found


@lru_cache(maxsize=1)
def _schema() -> pa.Schema:
    more = (("shard", pa.int64()), ("round", pa.int64()), ("review", pa.string()))
    own = [pa.field(field.name, _wide(field.type)) for field in SCHEMAS["gate"]]
    return pa.schema([*own, *(pa.field(name, type_) for name, type_ in more)])


def _wide(type_: Any) -> pa.DataType:
    """The type with 64 bits for 32 of its numbers: what scenes do to seconds is not rounded."""
    if pa.types.is_list(type_):
        return pa.list_(_wide(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(field.name, _wide(field.type)) for field in type_])
    return pa.float64() if pa.types.is_floating(type_) else pa.int64() if pa.types.is_integer(type_) else type_
