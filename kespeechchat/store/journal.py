"""The attempt journal: written before work starts, closed when it ends, whatever the end.

An entry that stands open tells that its worker died in the middle. Whether that counts against the shard is the
runner's question (DESIGN §2, blame): only if the worker died while its node and its driver lived and it ran alone.
"""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import asdict, dataclass

from kespeechchat.store.commit import ShardKey
from kespeechchat.store.documents import parse
from kespeechchat.store.objects import ObjectStore

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


def open_attempt(store: ObjectStore, unit: str, key: ShardKey, attempt: str, session: str, node: str) -> Attempt:
    entry = Attempt(
        attempt, key.shard, key.fingerprint, key.generation, session, node, True, socket.gethostname(), os.getpid()
    )
    store.put(_key(unit, key, attempt), json.dumps(asdict(entry)).encode())
    return entry


def close_attempt(store: ObjectStore, unit: str, key: ShardKey, attempt: str) -> None:
    store.delete(_key(unit, key, attempt))


def open_attempts(store: ObjectStore, unit: str) -> dict[tuple[int, str], list[Attempt]]:
    """Attempts that never ended, by (shard, fingerprint)."""
    found: dict[tuple[int, str], list[Attempt]] = {}
    for key, _ in store.list(f"{unit}/attempts"):
        if _NAME.match(key.rsplit("/", 1)[-1]):
            try:
                entry = parse(Attempt, store.get(key))
            except (FileNotFoundError, ValueError):
                continue  # closed meanwhile, or torn: it blames nobody
            found.setdefault((entry.shard, entry.fingerprint), []).append(entry)
    return found


def _key(unit: str, key: ShardKey, attempt: str) -> str:
    return f"{unit}/attempts/{key.stem}.{attempt}.json"
