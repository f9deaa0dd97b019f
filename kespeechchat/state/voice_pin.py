"""The pin: which version of the voice library a build speaks with.

A changed library would make all audio stale, so it is never replaced by accident: the first library that a build makes
is pinned, and only `--replace-voices` pins another one. Audio depends on the *content* of the library, not on how it
was made: one that is made again with equal content makes nothing stale.
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
    """A version of the voice library: a committed shard of stage `voices`. Stored as `ROOT/voices/pin.json`."""

    content: str  # hash of the voices' content
    shard: int
    fingerprint: str
    generation: int

    @property
    def key(self) -> ShardKey:
        """The shard that holds the voices."""
        return ShardKey(self.shard, self.fingerprint, self.generation)


def read_pin(store: ObjectStore) -> PinnedVoices | None:
    """The pinned library; None where none is pinned yet. Raises StoreError where the pin cannot be read."""
    try:
        return read_document(store, _PIN, PinnedVoices, "restore it, or remove it: the next build pins what it finds")
    except FileNotFoundError:
        return None


def pin(store: ObjectStore, record: CommitRecord, replace: bool = False) -> tuple[PinnedVoices, bool]:
    """Pins the library of `record` unless one is pinned. Returns what is pinned, and whether it is `record`'s."""
    assert record.content is not None
    new = PinnedVoices(record.content, record.shard, record.fingerprint, record.generation)
    data = json.dumps(asdict(new)).encode()
    pinned = read_pin(store)
    if pinned is None:
        try:
            store.create(_PIN, data)
            return new, True
        except AlreadyExists:
            pinned = read_pin(store)
            assert pinned is not None
    if pinned.content == new.content or replace:
        if pinned != new:
            store.put(_PIN, data)
        return new, True
    return pinned, False
