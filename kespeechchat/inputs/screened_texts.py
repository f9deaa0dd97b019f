"""The texts that near duplicates are looked for among, by number, with what is wanted of them now and then.

A text is looked at only when another may be like it, so ids and texts are in a temporary file, and those of rows that
an earlier build screened stay in ROOT and are read when they are asked for. Memory holds 20 bytes of each text.
"""

from __future__ import annotations

import json
import os
import tempfile
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.inputs.excluded import questions
from kespeechchat.inputs.near_duplicates import Keys, keys_from, keys_to_bytes
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.manifest import PlannedShard, planned_rows
from kespeechchat.text.ngrams import tokens

_SHARDS = 64  # of earlier builds whose rows are held at once
_TEXTS = 4096  # that are held at once


class Record(NamedTuple):
    """A row's id, and its tokens joined by spaces."""

    id: str
    text: str


class ScreenedTexts:
    """Texts in the order of the plan, numbered from 0: first those of earlier screenings, then new ones.

    `shards`: shard number → where its planned rows are.
    """

    def __init__(self, store: ObjectStore, shards: Mapping[int, PlannedShard]) -> None:
        self._store, self._planned = store, shards
        self._shards, self._places, self._begins = array("i"), array("i"), array("q", [0])
        self._known = 0
        self._width = 0  # bytes of the keys of a text
        self._file = tempfile.TemporaryFile(buffering=1 << 20)  # noqa: SIM115 (it is gone with this object)
        self._flushed = True
        self._rows = lru_cache(_SHARDS)(self._read)
        self._record = lru_cache(_TEXTS)(self._look_up)

    def __len__(self) -> int:
        return len(self._shards)

    def add_known(self, shard: int, found: pa.Table, keys: Keys) -> None:
        """Adds the rows of a shard that an earlier screening kept (`found`, schema SCREENED), with their keys."""
        kept = found.filter(pc.is_valid(found["keys"]))
        at = len(self)
        self._places.extend(kept["place"].to_pylist())
        self._shards.extend([shard] * len(kept))
        keys[at : len(self)] = keys_from(kept["keys"].to_pylist(), keys.shape[1])
        self._known = len(self)

    def add(
        self, shards: Sequence[int], places: Sequence[int], records: Sequence[Record], new: Keys, keys: Keys
    ) -> None:
        """Adds new rows with the keys `new` [n, k], which it also puts into `keys`."""
        at, self._flushed = len(self), False
        self._shards.extend(shards)
        self._places.extend(places)
        keys[at : len(self)] = new
        for record, own in zip(records, keys_to_bytes(new), strict=True):
            self._width = len(own)
            data = own + f"{record.id}\n{record.text}".encode()
            self._file.write(data)
            self._begins.append(self._begins[-1] + len(data))

    def shard(self, number: int) -> int:
        """The shard of a text's row."""
        return self._shards[number]

    def place(self, number: int) -> int:
        """The place of a text's row in its shard."""
        return self._places[number]

    def id(self, number: int) -> str:
        """The id of a text's row."""
        return self._record(number).id

    def text(self, number: int) -> str:
        """The tokens of a text, joined by spaces."""
        return self._record(number).text

    def keys(self, number: int) -> bytes:
        """The keys of a new text."""
        return self._data(number)[: self._width]

    def _look_up(self, number: int) -> Record:
        if number < self._known:
            ids, raws = self._rows(self.shard(number))
            place = self.place(number)
            return Record(ids[place], " ".join(tokens("\n".join(questions(json.loads(raws[place]))))))
        id_, _, text = self._data(number)[self._width :].decode().partition("\n")
        return Record(id_, text)

    def _data(self, number: int) -> bytes:
        if not self._flushed:
            self._file.flush()
            self._flushed = True
        at = number - self._known
        return os.pread(self._file.fileno(), self._begins[at + 1] - self._begins[at], self._begins[at])

    def _read(self, shard: int) -> tuple[list[str], list[str]]:
        table = planned_rows(self._store, self._planned[shard], ["id", "raw"])
        return table["id"].to_pylist(), table["raw"].to_pylist()
