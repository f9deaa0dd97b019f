"""The commit protocol: a shard is there once its commit record is there, and not before.

    data    ROOT/STAGE/data/shard-00042.FP.gK.ATTEMPT.parquet   under a name no other attempt has
    record  ROOT/STAGE/commits/shard-00042.FP.gK.json           created if absent, in one atomic step

FP is a short form of the fingerprint, K the generation. A reader looks at records only, so it never sees half a shard,
whoever was killed when; resume is a listing, because all that decides stands in the names. Of two attempts that race
one record wins; the other deletes its own data. "Already exists" may also be the echo of one's own put whose
acknowledgement was lost: whoever meets it reads the record and has won if it names his attempt.

A record carries a digest of itself and names its shard, so one that a hand edited or copied is no record: it is marked
as corrupt data is, and the shard made again.

A failure is a record of its own (`….gK.failed.json`), never in the way of a later success. A record whose data does
not fit its checksum is marked (`….gK.corrupt.json`); the shard is then rebuilt as generation K+1. A shard whose audio
was cleaned away has a second record (`….gK.cleaned.json`) that names and checks what is left of its data.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from kespeechchat.store.documents import parse
from kespeechchat.store.interface import AlreadyExists, ObjectStore

_NAME = re.compile(r"^shard-(\d{5,})\.([0-9a-f]{12})\.g(\d+)(?:\.(failed|corrupt|cleaned))?\.json$")
_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
FAILED, CORRUPT, CLEANED = "failed", "corrupt", "cleaned"


def new_attempt() -> str:
    return secrets.token_hex(8)


def short_hash(value: Any) -> str:
    """12 hex digits of plain data; the same data in another key order hashes alike."""
    return hashlib.sha256(_canonical(value).encode()).hexdigest()[:12]


@dataclass(frozen=True, order=True)
class ShardKey:
    """One shard of one stage in one version of its making."""

    shard: int
    fingerprint: str
    generation: int = 0

    @property
    def stem(self) -> str:
        return f"shard-{self.shard:05d}.{self.fingerprint}.g{self.generation}"


@dataclass(frozen=True)
class Counts:
    """What became of a stage's rows: rows_in × fan_out = kept + rejected + failed, for stages that keep rows."""

    rows_in: int = 0
    kept: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    fan_out: int = 1
    seconds: dict[str, float] = field(default_factory=dict)  # of kept audio by split, where a stage's rows name both

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rows_in + other.rows_in,
            self.kept + other.kept,
            _added(self.rejected, other.rejected),
            self.failed + other.failed,
            self.fan_out,
            _added(self.seconds, other.seconds),
        )

    @property
    def rows_out(self) -> int:
        return self.kept + sum(self.rejected.values()) + self.failed


def _added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


@dataclass(frozen=True)
class CommitRecord:
    """What a commit record holds. `counts` has one entry per stage of the unit (several where stages are fused)."""

    status: str  # committed | failed | corrupt
    stage: str
    shard: int
    fingerprint: str
    generation: int
    attempt: str
    language: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)  # input stage → its fingerprint and generation
    ingredients: dict[str, str] = field(default_factory=dict)  # what went into the fingerprint, part by part, hashed
    counts: dict[str, Counts] = field(default_factory=dict)
    file: str | None = None  # key of the data, relative to ROOT
    size: int = 0  # bytes
    checksum: str | None = None  # sha256 of the data file
    content: str | None = None  # hash of the kept rows' content, where later stages depend on it (voices)
    schema: list[str] = field(default_factory=list)
    seconds: float = 0.0  # that the attempt took
    cold: bool = False  # its process's first shard of the language, whose seconds hold what engines load on first use
    isolated: str | None = None  # why its rows were made a few at a time, which costs time even where none is lost
    audio_seconds: float = 0.0
    engines: dict[str, dict[str, str]] = field(default_factory=dict)
    deterministic: bool = True
    versions: dict[str, str] = field(default_factory=dict)
    host: str = ""
    error: str | None = None

    def to_json(self) -> bytes:
        fields = asdict(self)
        return json.dumps({**fields, "digest": _digest(fields)}, ensure_ascii=False, indent=1, sort_keys=True).encode()

    @staticmethod
    def from_json(data: bytes) -> CommitRecord:
        """Raises ValueError where the bytes are no commit record (cut short, edited by hand)."""
        try:
            record = parse(CommitRecord, data)
        except ValueError as error:
            raise ValueError(f"not a commit record: {error}") from None
        fields = json.loads(data)
        if fields.pop("digest", None) != _digest(fields):
            raise ValueError("not the commit record that was written: its digest does not fit what it says")
        return record

    @property
    def key(self) -> ShardKey:
        return ShardKey(self.shard, self.fingerprint, self.generation)


def _digest(fields: dict[str, Any]) -> str:
    """sha256 of a record's fields, whatever version wrote them."""
    return hashlib.sha256(_canonical(fields).encode()).hexdigest()


@dataclass(frozen=True)
class Listing:
    """All commit records of a stage, by name alone."""

    committed: dict[tuple[int, str], int]  # (shard, fingerprint) → highest sound generation
    failed: set[tuple[int, str]]
    corrupt: dict[tuple[int, str], int]  # → highest generation marked corrupt
    any_of: dict[int, set[str]]  # shard → fingerprints ever committed
    cleaned: set[ShardKey] = field(default_factory=set)  # committed, and left without audio since

    def generation(self, shard: int, fingerprint: str) -> int | None:
        return self.committed.get((shard, fingerprint))

    def next_generation(self, shard: int, fingerprint: str) -> int:
        """The generation a new attempt gets: over whatever was committed or found corrupt."""
        key = (shard, fingerprint)
        return max(self.committed.get(key, -1), self.corrupt.get(key, -1)) + 1


def parse_names(keys: Iterable[str]) -> Listing:
    found: dict[tuple[int, str], set[int]] = {}
    failed: set[tuple[int, str]] = set()
    corrupt: dict[tuple[int, str], set[int]] = {}
    any_of: dict[int, set[str]] = {}
    cleaned: set[ShardKey] = set()
    for key in keys:
        match = _NAME.match(key.rsplit("/", 1)[-1])
        if not match:
            continue
        shard, fingerprint, generation, kind = int(match[1]), match[2], int(match[3]), match[4]
        if kind == FAILED:
            failed.add((shard, fingerprint))
        elif kind == CORRUPT:
            corrupt.setdefault((shard, fingerprint), set()).add(generation)
        elif kind == CLEANED:
            cleaned.add(ShardKey(shard, fingerprint, generation))
        else:
            found.setdefault((shard, fingerprint), set()).add(generation)
            any_of.setdefault(shard, set()).add(fingerprint)
    sound = {k: g - corrupt.get(k, set()) for k, g in found.items()}
    return Listing(
        committed={k: max(g) for k, g in sound.items() if g},
        failed=failed,
        corrupt={k: max(g) for k, g in corrupt.items()},
        any_of=any_of,
        cleaned=cleaned,
    )


def list_commits(store: ObjectStore, unit: str) -> Listing:
    return parse_names(key for key, _ in store.list(f"{unit}/commits"))


def record_key(unit: str, key: ShardKey, kind: str | None = None) -> str:
    return f"{unit}/commits/{key.stem}{'.' + kind if kind else ''}.json"


def data_key(unit: str, key: ShardKey, attempt: str) -> str:
    return f"{unit}/data/{key.stem}.{attempt}.parquet"


def commit(store: ObjectStore, unit: str, record: CommitRecord, data: bytes) -> CommitRecord:
    """Publishes a shard. Returns the record that stands: this one, or that of the attempt that came first."""
    file = data_key(unit, record.key, record.attempt)
    record = CommitRecord(
        **{
            **{f: getattr(record, f) for f in record.__dataclass_fields__},
            "file": file,
            "size": len(data),
            "checksum": hashlib.sha256(data).hexdigest(),
        }
    )
    store.put(file, data)
    name = record_key(unit, record.key)
    try:
        store.create(name, record.to_json())
    except AlreadyExists:
        standing = CommitRecord.from_json(store.get(name))
        if standing.attempt != record.attempt:
            store.delete(file)
        return standing
    return record


def commit_failure(store: ObjectStore, unit: str, record: CommitRecord) -> None:
    store.put(record_key(unit, record.key, FAILED), record.to_json())


def mark_corrupt(store: ObjectStore, unit: str, key: ShardKey, why: str) -> None:
    """Takes a committed generation out of use: its bytes are not what the record says."""
    note = {"status": CORRUPT, "shard": key.shard, "error": why}
    store.put(record_key(unit, key, CORRUPT), json.dumps(note).encode())


def read_record(store: ObjectStore, unit: str, key: ShardKey, kind: str | None = None) -> CommitRecord:
    """Raises FileNotFoundError, and ValueError where what lies there is not this shard's record."""
    record = CommitRecord.from_json(store.get(record_key(unit, key, kind)))
    if (record.stage, record.key) != (unit, key):
        raise ValueError(f"the commit record of {record.stage} {record.key.stem} under another's name")
    return record
