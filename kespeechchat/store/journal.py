"""The attempt journal: written before work starts, closed when it ends, whatever the end.

An entry that stands open tells that its worker died in the middle. Whether that counts against the shard is the
runner's question (DESIGN §2, blame): only if the worker died while its node and its driver lived and it ran alone.
Where the rows under way are noted too, the open entry names them: what killed the worker is one of these.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from kespeechchat.store.commit import ShardKey
from kespeechchat.store.documents import parse
from kespeechchat.store.interface import ObjectStore

_NAME = re.compile(r"^shard-(\d{5,})\.([0-9a-f]{12})\.g(\d+)\.([0-9a-f]{16})\.json$")


@dataclass(frozen=True)
class Attempt:
    """One try at one shard. `session` names the driver's run; `alone`: no other shard was in the worker's process."""

    attempt: str
    shard: int
    fingerprint: str
    generation: int
    session: str
    node: str
    alone: bool = True
    host: str = ""
    pid: int = 0
    rows: tuple[str, ...] = ()  # ids of the rows under way; empty: the shard as a whole
    ended: str | None = None  # why the worker left its process, where it could still say so


class Journal:
    """The attempts at one unit's shards, as one worker writes them."""

    def __init__(self, store: ObjectStore, unit: str, session: str, node: str) -> None:
        self._store, self._unit, self._session, self._node = store, unit, session, node

    def open(self, key: ShardKey, attempt: str, alone: bool = True) -> Entry:
        written = Attempt(
            attempt,
            key.shard,
            key.fingerprint,
            key.generation,
            self._session,
            self._node,
            alone,
            socket.gethostname(),
            os.getpid(),
        )
        return Entry(self._store, _key(self._unit, key, attempt), written)

    def left_open(self, key: ShardKey) -> list[Attempt]:
        """Attempts at the shard, in this version, that this driver's workers never ended."""
        found = []
        for name, _ in self._store.list(f"{self._unit}/attempts"):
            if (known := _NAME.match(name.rsplit("/", 1)[-1])) and _is_of(known, key):
                found += [a for a in _read(self._store, name) if a.session == self._session]
        return found

    def explain(self, attempt: Attempt, why: str) -> Attempt:
        """Adds to an open entry why its worker died, found out later."""
        key = ShardKey(attempt.shard, attempt.fingerprint, attempt.generation)
        known = replace(attempt, ended=why)
        _write(self._store, _key(self._unit, key, attempt.attempt), known)
        return known

    def forget(self, key: ShardKey) -> None:
        """Closes whatever stands open of the shard, in this version: it is settled."""
        for name, _ in self._store.list(f"{self._unit}/attempts"):
            if (known := _NAME.match(name.rsplit("/", 1)[-1])) and _is_of(known, key):
                self._store.delete(name)


class Entry:
    """An attempt's open entry."""

    def __init__(self, store: ObjectStore, key: str, written: Attempt) -> None:
        self._store, self._key, self._written, self._closed = store, key, written, False
        _write(store, key, written)

    def rows(self, ids: Sequence[str]) -> None:
        """Notes the rows that are under way from now on; none: the shard as a whole."""
        self._change(rows=tuple(ids))

    def ends(self, why: str) -> None:
        """Notes why this process will be left in the middle."""
        self._change(ended=why)

    def close(self) -> None:
        self._closed = True
        self._store.delete(self._key)

    def _change(self, **fields: Any) -> None:
        if self._closed:  # a process that goes may still be at work
            return
        self._written = replace(self._written, **fields)
        _write(self._store, self._key, self._written)


def open_attempts(store: ObjectStore, unit: str) -> dict[tuple[int, str], list[Attempt]]:
    """Attempts that never ended, by (shard, fingerprint)."""
    found: dict[tuple[int, str], list[Attempt]] = {}
    for name, _ in store.list(f"{unit}/attempts"):
        if _NAME.match(name.rsplit("/", 1)[-1]):
            for entry in _read(store, name):
                found.setdefault((entry.shard, entry.fingerprint), []).append(entry)
    return found


def _write(store: ObjectStore, key: str, entry: Attempt) -> None:
    store.put(key, json.dumps(asdict(entry)).encode())


def _read(store: ObjectStore, name: str) -> Iterator[Attempt]:
    try:
        yield parse(Attempt, store.get(name))
    except (FileNotFoundError, ValueError):
        return  # closed meanwhile, or torn: it blames nobody


def _is_of(known: re.Match[str], key: ShardKey) -> bool:
    return (int(known[1]), known[2]) == (key.shard, key.fingerprint)


def _key(unit: str, key: ShardKey, attempt: str) -> str:
    return f"{unit}/attempts/{key.stem}.{attempt}.json"
