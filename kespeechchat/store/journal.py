"""The attempt journal: an entry is written before work on a shard starts, and removed when it ends, well or not.

An entry that is left over shows that its worker died in the middle of the work. `execution.worker.blame` decides
whether that counts against the shard: only if the worker died while its node and its driver lived, and ran the shard
alone. An entry may also name the rows under way; then one of these killed the worker.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
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
    ended: str | None = None  # why the worker ended its process, where it could still note that


class Journal:
    """The journal of a unit's shards, as one worker writes it. `session` names the driver's run, `node` the machine."""

    def __init__(self, store: ObjectStore, unit: str, session: str, node: str) -> None:
        self._store, self._unit, self._session, self._node = store, unit, session, node

    def open(self, key: ShardKey, attempt: str, alone: bool = True) -> Entry:
        """Writes the entry of an attempt that begins; `alone`: no other shard is in this process."""
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
        return Entry(self._store, entry_key(self._unit, key, attempt), written)

    def left_open(self, key: ShardKey) -> list[Attempt]:
        """Attempts at the shard, under this fingerprint, that workers of this driver never ended."""
        attempts: list[Attempt] = []
        for name, _ in self._store.list(f"{self._unit}/attempts"):
            if (match := _NAME.match(name.rsplit("/", 1)[-1])) and _is_of(match, key):
                attempts += [a for a in _read(self._store, name) if a.session == self._session]
        return attempts

    def explain(self, attempt: Attempt, why: str) -> Attempt:
        """Adds to an open entry why its worker died, where that is found out later. Returns the new entry."""
        key = ShardKey(attempt.shard, attempt.fingerprint, attempt.generation)
        explained = replace(attempt, ended=why)
        _write(self._store, entry_key(self._unit, key, attempt.attempt), explained)
        return explained

    def forget(self, key: ShardKey) -> None:
        """Removes all entries of the shard under this fingerprint: it is committed, or given up."""
        for name, _ in self._store.list(f"{self._unit}/attempts"):
            if (match := _NAME.match(name.rsplit("/", 1)[-1])) and _is_of(match, key):
                self._store.delete(name)


class Entry:
    """The entry of an attempt that this process makes."""

    def __init__(self, store: ObjectStore, key: str, written: Attempt) -> None:
        self._store, self._key, self._written, self._closed = store, key, written, False
        self._writing = threading.RLock()  # a signal's handler may close it in the thread that writes
        _write(store, key, written)

    def rows(self, ids: Sequence[str]) -> None:
        """Notes the ids of the rows that are under way from now on; none: the shard as a whole."""
        self._change(rows=tuple(ids))

    def ends(self, why: str) -> None:
        """Notes why this process is about to end in the middle of the work."""
        self._change(ended=why)

    def close(self) -> None:
        """Removes the entry: the attempt has ended."""
        with self._writing:
            self._closed = True
            self._store.delete(self._key)

    def _change(self, **fields: Any) -> None:
        with self._writing:
            if self._closed:  # a process that was told to end may still be working on the shard
                return
            self._written = replace(self._written, **fields)
            _write(self._store, self._key, self._written)


def open_attempts(store: ObjectStore, unit: str) -> dict[tuple[int, str], list[Attempt]]:
    """Attempts that never ended, by (shard, fingerprint), of every driver."""
    attempts: dict[tuple[int, str], list[Attempt]] = {}
    for name, _ in store.list(f"{unit}/attempts"):
        if _NAME.match(name.rsplit("/", 1)[-1]):
            for entry in _read(store, name):
                attempts.setdefault((entry.shard, entry.fingerprint), []).append(entry)
    return attempts


def _write(store: ObjectStore, key: str, entry: Attempt) -> None:
    store.put(key, json.dumps(asdict(entry)).encode())


def _read(store: ObjectStore, name: str) -> Iterator[Attempt]:
    try:
        yield parse(Attempt, store.get(name))
    except (FileNotFoundError, ValueError):
        return  # closed meanwhile, or torn: it blames nobody


def _is_of(match: re.Match[str], key: ShardKey) -> bool:
    return (int(match[1]), match[2]) == (key.shard, key.fingerprint)


def entry_key(unit: str, key: ShardKey, attempt: str) -> str:
    """Where the entry of an attempt is in ROOT."""
    return f"{unit}/attempts/{key.stem}.{attempt}.json"
