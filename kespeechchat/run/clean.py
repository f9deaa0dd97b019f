"""`kesc clean`: removes what no current shard needs: superseded shards, and data that attempts left without a record.

Never what is current, never what a running attempt writes (its journal entry is open), never the plan. Of a superseded
shard the record goes first: a reader that still finds the record finds the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.run.plan import Plan, State
from kespeechchat.store.journal import open_attempts
from kespeechchat.store.objects import ObjectStore

_DATA = re.compile(r"/data/(shard-\d{5,}\.[0-9a-f]{12}\.g\d+)\.([0-9a-f]{16})\.parquet$")


@dataclass(frozen=True)
class Removal:
    key: str
    size: int  # bytes
    why: str  # superseded | left over


def removable(pipeline: Pipeline, store: ObjectStore) -> Iterator[Removal]:
    """What `clean` would remove, records before their data."""
    plan = Plan(pipeline, store)
    for unit in pipeline.units:
        name = unit[-1]
        current = {s.order.key.stem for s in plan.states(name).values() if s.state is State.DONE}
        if plan.pin and name == "voices":
            current.add(plan.pin.key.stem)
        if not current:
            continue  # nothing stands for what would go: a profile of other settings must not empty a stage
        records = dict(store.list(f"{name}/commits"))
        running = {a.attempt for attempts in open_attempts(store, name).values() for a in attempts}
        stems = {_stem(key) for key in records}
        yield from (Removal(k, size, "superseded") for k, size in records.items() if _stem(k) not in current)
        for key, size in store.list(f"{name}/data"):
            match = _DATA.search(key)
            if match and match[2] not in running and match[1] not in current:
                yield Removal(key, size, "superseded" if match[1] in stems else "left over")
        yield from _losers(store, name, current, running)


def _stem(record: str) -> str:
    """shard-N.FP.gK of a record's key, whatever its kind."""
    return record.rsplit("/", 1)[-1].removesuffix(".json").removesuffix(".failed").removesuffix(".corrupt")


def _losers(store: ObjectStore, name: str, current: set[str], running: set[str]) -> Iterator[Removal]:
    """Data of a current shard that its record does not name: of an attempt that lost the race and died."""
    by_stem: dict[str, list[tuple[str, int, str]]] = {}
    for key, size in store.list(f"{name}/data"):
        match = _DATA.search(key)
        if match and match[1] in current:
            by_stem.setdefault(match[1], []).append((key, size, match[2]))
    for stem, files in by_stem.items():
        if len(files) > 1:
            record = store.get(f"{name}/commits/{stem}.json").decode()
            yield from (Removal(k, s, "left over") for k, s, a in files if a not in running and k not in record)


def clean(store: ObjectStore, removals: list[Removal]) -> int:
    """Removes them; returns the bytes."""
    for removal in removals:
        store.delete(removal.key)
    return sum(removal.size for removal in removals)
