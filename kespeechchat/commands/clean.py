"""`kesc clean`: removes what no current shard needs: superseded shards, screenings of the planned rows under other
settings, and data that attempts left without a record.

Never what is current, never what a running attempt writes (its journal entry is open), never the planned rows. Of a
superseded shard the record goes first: a reader that still finds the record finds the data.

On request also audio that a later stage's has replaced (of a profile that does not fuse `synthesize` and `watermark`:
unmarked speech). The shard keeps its record and its other columns, in a file of its own with a record of its own, which
`kesc verify` checks; it counts as done until its audio is needed again, and is then made again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kespeechchat.config.flow import LIBRARY
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.segments import replaced_by
from kespeechchat.store.commit import CLEANED, ShardKey, data_key, new_attempt, read_record, record_key
from kespeechchat.store.interface import AlreadyExists, ObjectStore, StoreError
from kespeechchat.store.journal import Attempt, entry_key, open_attempts
from kespeechchat.store.screened import screened_branch
from kespeechchat.store.shards import CorruptShard, read_checked, without_audio

_DATA = re.compile(r"/data/(shard-\d{5,}\.[0-9a-f]{12}\.g\d+)\.([0-9a-f]{16})\.parquet$")


@dataclass(frozen=True)
class Removal:
    """One object that `clean` would remove, and why."""

    key: str
    size: int  # bytes
    why: str  # superseded | left over | half written | replaced audio
    shard: tuple[str, ShardKey] | None = None  # of replaced audio: the unit and the shard that loses it


def removable(pipeline: Pipeline, store: ObjectStore, replaced_audio: bool = False) -> Iterator[Removal]:
    """What `clean` would remove, records before their data."""
    build_state = BuildState(pipeline, store)
    yield from (Removal(key, size, "half written") for key, size in store.half_written())
    if replaced_audio:
        yield from _replaced(build_state)
    yield from _other_screenings(pipeline, store)
    for unit in pipeline.units:
        name = unit.name
        current = {order.key.stem for order in build_state.done(name)}
        if build_state.pin and name == LIBRARY:
            current.add(build_state.pin.key.stem)
        if not current:
            continue  # nothing stands for what would go: a profile of other settings must not empty a stage
        records = dict(store.list(f"{name}/commits"))
        attempts = [a for attempts in open_attempts(store, name).values() for a in attempts]
        running = {a.attempt for a in attempts}
        yield from _closed_late(store, name, attempts, set(records))
        stems = {_stem(key) for key in records}
        yield from (Removal(k, size, "superseded") for k, size in records.items() if _stem(k) not in current)
        for key, size in store.list(f"{name}/data"):
            match = _DATA.search(key)
            if match and match[2] not in running and match[1] not in current:
                yield Removal(key, size, "superseded" if match[1] in stems else "left over")
        yield from _losers(store, name, current, set(records), running)


def _other_screenings(pipeline: Pipeline, store: ObjectStore) -> Iterator[Removal]:
    """What was screened under other settings, where this profile's own screening is there. The chain of documents is
    not screened: its profile's settings of it may be older than those of the dialogues."""
    found = dict(store.list("plan/screened"))
    if pipeline.screening and pipeline.chain == "dialogues":
        own = f"plan/{screened_branch(pipeline.screening)}/"
        if any(key.startswith(own) for key in found):
            manifests_first = sorted(found.items(), key=lambda item: "/data/" in item[0])
            yield from (Removal(k, size, "superseded") for k, size in manifests_first if not k.startswith(own))


def _stem(record: str) -> str:
    """shard-N.FP.gK of a record's key, whatever its kind."""
    return ".".join(record.rsplit("/", 1)[-1].split(".")[:3])


def _closed_late(store: ObjectStore, name: str, attempts: list[Attempt], records: set[str]) -> Iterator[Removal]:
    """Journal entries of attempts whose own commit stands: they were killed between the commit and the entry's end."""
    sizes = dict(store.list(f"{name}/attempts"))
    for attempt in attempts:
        key = ShardKey(attempt.shard, attempt.fingerprint, attempt.generation)
        entry = entry_key(name, key, attempt.attempt)
        committed = entry in sizes and record_key(name, key) in records
        if committed and f".{attempt.attempt}." in (read_record(store, name, key).file or ""):
            yield Removal(entry, sizes[entry], "left over")


def _losers(
    store: ObjectStore, name: str, current: set[str], records: set[str], running: set[str]
) -> Iterator[Removal]:
    """Data of a current shard that no record of it names: of an attempt that lost the race and died."""
    for stem, files in _data(store, name).items():
        if stem in current and len(files) > 1:
            keys = (f"{name}/commits/{stem}{kind}.json" for kind in ("", f".{CLEANED}"))
            named = "".join(store.get(key).decode() for key in keys if key in records)
            yield from (Removal(k, s, "left over") for k, s, a in files if a not in running and k not in named)


def _data(store: ObjectStore, name: str) -> dict[str, list[tuple[str, int, str]]]:
    """Stem → (key, bytes, attempt) of its data files."""
    by_stem: dict[str, list[tuple[str, int, str]]] = {}
    for key, size in store.list(f"{name}/data"):
        if match := _DATA.search(key):
            by_stem.setdefault(match[1], []).append((key, size, match[2]))
    return by_stem


def _replaced(build_state: BuildState) -> Iterator[Removal]:
    """Data of shards whose audio has been replaced, while they still have it."""
    for unit in (unit.name for unit in build_state.pipeline.units):
        reader = replaced_by(unit)  # of fused stages, none: their audio never was in ROOT
        if reader is None:
            continue
        data, later = _data(build_state.store, unit), build_state.states(reader)
        for shard, state in build_state.states(unit).items():
            key = state.order.key
            files = data.get(key.stem, [])
            whole = key not in build_state.listing(unit).cleaned or len(files) > 1
            if state.state is State.DONE and later[shard].state is State.DONE and whole:
                file = read_record(build_state.store, unit, key).file
                yield from (Removal(k, size, "replaced audio", (unit, key)) for k, size, _ in files if k == file)


def clean(store: ObjectStore, removals: list[Removal]) -> int:
    """Removes them; returns the bytes. Raises StoreError where a shard whose audio should go is corrupt; the next build
    makes it again, and another `clean` goes on behind it."""
    for removal in removals:
        if removal.shard:
            try:
                _keep_the_rest(store, *removal.shard)
            except CorruptShard as error:
                raise StoreError(f"{error}; run `kesc build`, then `kesc clean` again") from None
        store.delete(removal.key)
    return sum(removal.size for removal in removals)


def _keep_the_rest(store: ObjectStore, unit: str, key: ShardKey) -> None:
    """Publishes a shard's rows without their audio. Raises CorruptShard where they are not what their record says."""
    record = read_record(store, unit, key)
    data = without_audio(read_checked(store, unit, record))
    file, checksum = data_key(unit, key, new_attempt()), hashlib.sha256(data).hexdigest()
    rest = replace(record, status=CLEANED, file=file, size=len(data), checksum=checksum)
    store.put(file, data)
    try:
        store.create(record_key(unit, key, CLEANED), rest.to_json())
    except AlreadyExists:  # an earlier `clean` came this far
        store.delete(file)
