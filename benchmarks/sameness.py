"""Are two builds the same dataset, and have committed shards kept their bytes? Fault tests and chaos.py ask this."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pyarrow as pa

from kespeechchat.commands.verify import verify
from kespeechchat.state.build_state import BRANCHES, BuildState, State
from kespeechchat.state.saved_profile import load_profile
from kespeechchat.store.commit import read_record
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import read_table

_Rows = dict[str, dict[str, Any]]  # by id
_RECORD = re.compile(r"/commits/shard-\d{5,}\.[0-9a-f]{12}\.g\d+\.json$")


def same_dataset(root: str, undisturbed: str) -> list[str]:
    """How `root` differs from `undisturbed`, stage by stage (every column of every row, audio bytes included), and what
    `kesc verify` finds in it. Empty where nothing is wrong. Raises FileNotFoundError where a folder holds no build."""
    ours, theirs = _Built(root), _Built(undisturbed)
    found = [f"units differ: {ours.units} and {theirs.units}"] if ours.units != theirs.units else []
    for unit in theirs.units:
        found += _differences(unit, ours.rows(unit), theirs.rows(unit))
    return found + ours.missing + verify(ours.pipeline, ours.store)[1]


def _differences(unit: str, ours: _Rows, theirs: _Rows) -> Iterator[str]:
    lost, extra = theirs.keys() - ours.keys(), ours.keys() - theirs.keys()
    if lost or extra:
        yield f"{unit}: {len(lost)} rows are lost and {len(extra)} are extra, first {min(lost | extra)}"
    for id_ in sorted(ours.keys() & theirs.keys()):
        if other := [c for c in theirs[id_] if ours[id_].get(c) != theirs[id_][c]]:
            yield f"{unit}: row {id_} differs in {', '.join(other)}"


class _Built:
    """The rows of a build, of every generation that its last pipeline uses."""

    def __init__(self, root: str) -> None:
        self.store = open_store(root)
        self.pipeline = load_profile(root)
        self.build_state = BuildState(self.pipeline, self.store)
        self.units = [unit.name for unit in self.pipeline.units if self.build_state.states(unit.name)]
        self.missing = [
            f"{unit} shard {n:05d}: {s.state.value}"
            for unit in self.units
            for n, s in self.build_state.states(unit).items()
            if s.state is not State.DONE
        ]

    def rows(self, unit: str) -> _Rows:
        """By id. Raises AssertionError where an id is in the unit twice."""
        keys = [s.order.key for s in self.build_state.states(unit).values() if s.state is State.DONE]
        tables = [read_table(self.store, unit, read_record(self.store, unit, k), kept_only=False) for k in keys]
        rows = pa.concat_tables(tables).to_pylist() if tables else []
        found = {row["id"]: row for row in rows}
        assert len(found) == len(rows), f"{unit}: an id is in it twice"
        return found


def committed(root: str) -> dict[str, str]:
    """By key of the commit record, of every stage and generation: SHA-256 of the record's bytes and its data's."""
    store, found = open_store(root), {}
    for unit in _units(root):
        for key, _ in store.list(f"{unit}/commits"):
            if _RECORD.search(key):
                record = store.get(key)
                found[key] = hashlib.sha256(record + store.get(json.loads(record)["file"])).hexdigest()
    return found


def failures(root: str) -> list[str]:
    """Keys of the records of failed shards, also where a later attempt succeeded."""
    store = open_store(root)
    return [key for unit in _units(root) for key, _ in store.list(f"{unit}/commits") if key.endswith(".failed.json")]


def unnamed(root: str) -> list[str]:
    """Data files that no commit record names: what attempts that were killed or lost a race left behind."""
    store = open_store(root)
    named = {json.loads(store.get(key))["file"] for key in committed(root)}
    return [key for unit in _units(root) for key, _ in store.list(f"{unit}/data") if key not in named]


def _units(root: str) -> list[str]:
    """Units of the last pipelines that were built there, of each chain; none where none was."""
    found: list[str] = []
    for chain in BRANCHES:
        with suppress(FileNotFoundError):
            found += [unit.name for unit in load_profile(root, chain=chain).units]
    return found


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Committed shards that are gone or have other bytes."""
    return [key for key in before if after.get(key) != before[key]]
