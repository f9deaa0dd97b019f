"""The pin: which voice library a build speaks with.

Audio depends on the library's *content*, not on how it came about, and a library is never replaced by accident: a
changed one would make all audio stale. The first library a build makes is pinned; `--replace-voices` pins the next.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from kespeechchat.store.commit import CommitRecord, ShardKey
from kespeechchat.store.documents import read_document
from kespeechchat.store.interface import AlreadyExists, ObjectStore

_PIN = "voices/pin.json"


@dataclass(frozen=True)
class PinnedVoices:
    content: str  # hash of the voices' content
    shard: int
    fingerprint: str
    generation: int

    @property
    def key(self) -> ShardKey:
        return ShardKey(self.shard, self.fingerprint, self.generation)


def read_pin(store: ObjectStore) -> PinnedVoices | None:
    try:
        return read_document(store, _PIN, PinnedVoices, "restore it, or remove it: the next build pins what it finds")
    except FileNotFoundError:
        return None


def pin(store: ObjectStore, record: CommitRecord, replace: bool = False) -> tuple[PinnedVoices, bool]:
    """Pins the library of `record` unless one is pinned. Returns what is pinned, and whether it is `record`'s."""
    assert record.content is not None
    new = PinnedVoices(record.content, record.shard, record.fingerprint, record.generation)
    data = json.dumps(asdict(new)).encode()
    standing = read_pin(store)
    if standing is None:
        try:
            store.create(_PIN, data)
            return new, True
        except AlreadyExists:
            standing = read_pin(store)
            assert standing is not None
    if standing.content == new.content or replace:
        if standing != new:
            store.put(_PIN, data)
        return new, True
    return standing, False
