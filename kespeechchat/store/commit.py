"""The commit protocol: a shard is there once its commit record is there, and not before.

    data    ROOT/STAGE/data/shard-00042.FP.gK.ATTEMPT.parquet   under a name no other attempt has
    record  ROOT/STAGE/commits/shard-00042.FP.gK.json           created if absent, in one atomic step

FP is a short form of the fingerprint, K the generation. A reader looks at records only, so it never sees half a shard,
whatever was killed; and a listing is enough to resume, because the names hold all that a plan needs. When two attempts
race, one record wins and the other attempt deletes its own data. "Already exists" may also be the echo of an attempt's
own put whose acknowledgement was lost; so the attempt reads the record, and has won if the record names it.

A record carries a digest of itself and names its shard, so a record that was edited or copied by hand is refused: it is
marked like corrupt data, and the shard is made again.

A failure has a record of its own (`….gK.failed.json`), which never hinders a later success. A record whose data does
not fit its checksum is marked (`….gK.corrupt.json`); the shard is then rebuilt as generation K+1. A shard whose audio
was cleaned away has a second record (`….gK.cleaned.json`) that names and checks what is left of its data.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import orjson
from pydantic import FiniteFloat

from kespeechchat.store.documents import parse
from kespeechchat.store.interface import AlreadyExists, ObjectStore

_NAME = re.compile(r"^shard-(\d{5,})\.([0-9a-f]{12})\.g(\d+)(?:\.(failed|corrupt|cleaned))?\.json$")
_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
FAILED, CORRUPT, CLEANED = "failed", "corrupt", "cleaned"  # kinds of records other than the one that commits
_Number = TypeVar("_Number", int, float)


def new_attempt() -> str:
    """A fresh name of an attempt: 16 hex digits."""
    return secrets.token_hex(8)


def short_hash(value: Any) -> str:
    """12 hex digits of plain data; the same data in another key order hashes alike."""
    return hashlib.sha256(_canonical(value).encode()).hexdigest()[:12]


def texts_hash(texts: Mapping[str, str]) -> str:
    """As `short_hash`, of texts alone, by a quicker encoder: a build has one to hash for each of its shards."""
    return hashlib.sha256(orjson.dumps(texts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]


@dataclass(frozen=True, order=True)
class ShardKey:
    """One shard of a unit under one fingerprint, in one generation."""

    shard: int
    fingerprint: str
    generation: int = 0

    @property
    def stem(self) -> str:
        """What the names of the shard's files begin with, as in `shard-00042.0123456789ab.g0`."""
        return f"shard-{self.shard:05d}.{self.fingerprint}.g{self.generation}"


@dataclass(frozen=True)
class Counts:
    """What became of a stage's rows: rows_in × fan_out = kept + rejected + failed, for stages that keep rows."""

    rows_in: int = 0
    kept: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    fan_out: int = 1
    seconds: dict[str, FiniteFloat] = field(
        default_factory=dict
    )  # of kept audio by split, where a stage's rows name both
    made: dict[str, int] = field(default_factory=dict)  # kept rows by how they were made, where there are several ways
    ended: dict[str, int] = field(default_factory=dict)  # kept dialogues that end before their source does, by reason

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rows_in + other.rows_in,
            self.kept + other.kept,
            _added(self.rejected, other.rejected),
            self.failed + other.failed,
            self.fan_out,
            _added(self.seconds, other.seconds),
            _added(self.made, other.made),
            _added(self.ended, other.ended),
        )

    @property
    def rows_out(self) -> int:
        """All rows that came out, whatever became of them."""
        return self.kept + sum(self.rejected.values()) + self.failed


def _added(one: dict[str, _Number], other: dict[str, _Number]) -> dict[str, _Number]:
    if not other:
        return one  # of most shards: a large build adds some hundred thousand
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


@dataclass(frozen=True)
class CommitRecord:
    """What a commit record holds. `counts` has an entry for each stage of the unit: several where stages are fused."""

    status: str  # committed | failed | cleaned
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
    seconds: FiniteFloat = 0.0  # that the attempt took
    cold: bool = False  # its process's first shard of the language: `seconds` include what engines load on first use
    isolated: str | None = None  # why its rows were made a few at a time, which costs time even where none is lost
    audio_seconds: FiniteFloat = 0.0
    engines: dict[str, dict[str, str]] = field(default_factory=dict)
    deterministic: bool = True
    versions: dict[str, str] = field(default_factory=dict)
    host: str = ""
    error: str | None = None

    def to_json(self) -> bytes:
        """The record's file: its fields and their digest."""
        fields = asdict(self)
        return json.dumps({**fields, "digest": _digest(fields)}, ensure_ascii=False, indent=1, sort_keys=True).encode()

    @staticmethod
    def from_json(data: bytes) -> CommitRecord:
        """The record of a file. Raises ValueError where the bytes are no commit record (cut short, edited by hand)."""
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
        """The shard that the record commits."""
        return ShardKey(self.shard, self.fingerprint, self.generation)


def _digest(fields: dict[str, Any]) -> str:
    """sha256 of a record's fields, whatever version wrote them."""
    return hashlib.sha256(_canonical(fields).encode()).hexdigest()


@dataclass(frozen=True)
class Listing:
    """All commit records of a unit, by name alone."""

    committed: dict[tuple[int, str], int]  # (shard, fingerprint) → highest sound generation
    failed: set[tuple[int, str]]
    corrupt: dict[tuple[int, str], int]  # (shard, fingerprint) → highest generation marked corrupt
    any_of: dict[int, set[str]]  # shard → fingerprints ever committed
    cleaned: set[ShardKey] = field(default_factory=set)  # committed, and their audio removed since

    @property
    def is_empty(self) -> bool:
        """Whether no shard was ever tried to the end."""
        return not (self.any_of or self.failed)

    def generation(self, shard: int, fingerprint: str) -> int | None:
        """The generation in which the shard is committed and not corrupt; None where it is in none."""
        return self.committed.get((shard, fingerprint))

    def next_generation(self, shard: int, fingerprint: str) -> int:
        """The generation a new attempt gets: one more than any that was committed or marked corrupt, or 0."""
        key = (shard, fingerprint)
        return max(self.committed.get(key, -1), self.corrupt.get(key, -1)) + 1


def parse_names(keys: Iterable[str]) -> Listing:
    """The listing of these records' keys; other keys are ignored."""
    committed: dict[tuple[int, str], set[int]] = {}
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
            committed.setdefault((shard, fingerprint), set()).add(generation)
            any_of.setdefault(shard, set()).add(fingerprint)
    sound = {k: g - corrupt.get(k, set()) for k, g in committed.items()}
    return Listing(
        committed={k: max(g) for k, g in sound.items() if g},
        failed=failed,
        corrupt={k: max(g) for k, g in corrupt.items()},
        any_of=any_of,
        cleaned=cleaned,
    )


def list_commits(store: ObjectStore, unit: str) -> Listing:
    """The commit records of a unit in ROOT."""
    return parse_names(key for key, _ in store.list(f"{unit}/commits"))


def record_key(unit: str, key: ShardKey, kind: str | None = None) -> str:
    """Key of a shard's record; `kind`: None for the one that commits it, or FAILED, CORRUPT, CLEANED."""
    return f"{unit}/commits/{key.stem}{'.' + kind if kind else ''}.json"


def data_key(unit: str, key: ShardKey, attempt: str) -> str:
    """Key of a shard's data file."""
    return f"{unit}/data/{key.stem}.{attempt}.parquet"


def commit(store: ObjectStore, unit: str, record: CommitRecord, data: bytes) -> CommitRecord:
    """Publishes a shard: its data, then its record with file, size and checksum filled in.

    Returns the record that ROOT now holds: this one, or that of an attempt that came first.
    """
    file = data_key(unit, record.key, record.attempt)
    record = replace(record, file=file, size=len(data), checksum=hashlib.sha256(data).hexdigest())
    store.put(file, data)
    name = record_key(unit, record.key)
    try:
        store.create(name, record.to_json())
    except AlreadyExists:
        first = CommitRecord.from_json(store.get(name))
        if first.attempt != record.attempt:
            store.delete(file)
        return first
    return record


def commit_failure(store: ObjectStore, unit: str, record: CommitRecord) -> None:
    """Publishes that an attempt failed, in place of an earlier failure of the shard."""
    store.put(record_key(unit, record.key, FAILED), record.to_json())


def mark_corrupt(store: ObjectStore, unit: str, key: ShardKey, why: str) -> None:
    """Takes a committed generation out of use: its bytes are not what the record says."""
    note = {"status": CORRUPT, "shard": key.shard, "error": why}
    store.put(record_key(unit, key, CORRUPT), json.dumps(note).encode())


def read_record(store: ObjectStore, unit: str, key: ShardKey, kind: str | None = None) -> CommitRecord:
    """A shard's record. Raises FileNotFoundError, and ValueError where the file is not this shard's record."""
    record = CommitRecord.from_json(store.get(record_key(unit, key, kind)))
    if (record.stage, record.key) != (unit, key):
        raise ValueError(f"the commit record of {record.stage} {record.key.stem} under another name")
    return record
