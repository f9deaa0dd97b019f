"""`kesc release`: the partitions' cuts frozen in ROOT/releases/NAME.json, once and for all."""

from __future__ import annotations

import json

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.dataset.releases import Release, checked_name, compare
from kespeechchat.display import counted, hours
from kespeechchat.export.selection import Selection, select
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.state.reviews import current_reviews
from kespeechchat.store.interface import AlreadyExists, ObjectStore


def release(pipeline: Pipeline, store: ObjectStore, name: str, allow_partial: bool = False) -> str:
    """Freezes the cuts of what is gated now under `name`; where that release exists, compares it with today's data.

    Nothing is ever overwritten. Raises ConfigError for a bad name, and for data that is not complete unless
    `allow_partial`.
    """
    _key(name)
    build_state = BuildState(pipeline, store)
    rows = FinishedRows(pipeline, store, build_state, current_reviews(build_state).reviewed)
    try:
        today = select(rows, seed=pipeline.seed, partitions=pipeline.partitions)
        new = Release.of(name, today.partitions, rows.content)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if standing := _read(store, name):
        return "\n".join([f"{_key(name)} exists already and is never changed.", *_compared(standing, rows, today)])
    if rows.missing and not allow_partial:
        raise ConfigError(
            f"{counted(rows.missing, 'shard is', 'shards are')} not gated yet and would join the partitions "
            "later: run `kesc build` first, or "
            "freeze what is there with --allow-partial"
        )
    try:
        store.create(_key(name), (json.dumps(new.to_json(), ensure_ascii=False, indent=1) + "\n").encode())
    except AlreadyExists:
        return "\n".join(
            [f"{_key(name)} was just made by another process.", *_compared(read_release(store, name), rows, today)]
        )
    figures = [
        f"  {part}: {counted(sum(c.dialogues.values()), 'dialogue')}, {hours(sum(c.hours.values()))} h, "
        f"{counted(c.speakers, 'voice')}"
        for part, c in new.contents.items()
    ]
    return "\n".join([f"released {name}: {store.url}/{_key(name)}", *figures, f"use it: kesc export --release {name}"])


def read_release(store: ObjectStore, name: str) -> Release:
    """Raises ConfigError where there is no such release, and says which there are."""
    found = _read(store, name)
    if found is None:
        there = [key.split("/")[-1].removesuffix(".json") for key, _ in store.list("releases")]
        raise ConfigError(f"no release {name!r} in {store.url}; there is {', '.join(there) or 'none'}")
    return found


def _compared(standing: Release, rows: FinishedRows, today: Selection) -> list[str]:
    try:
        now = select(rows, seed=today.partitions.cuts.seed, partitions=rows.pipeline.partitions, release=standing.cuts)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    changes = [f"  {change}" for change in compare(standing, now.partitions, today.partitions)]
    return changes or ["  Today's data gives the same partitions."]


def _read(store: ObjectStore, name: str) -> Release | None:
    try:
        return Release.from_json(json.loads(store.get(_key(name))))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"{store.url}/{_key(name)}: not as kesc wrote it ({error}); restore it from a copy: it cannot be made again"
        ) from None


def _key(name: str) -> str:
    try:
        return f"releases/{checked_name(name)}.json"
    except ValueError as error:
        raise ConfigError(str(error)) from None
