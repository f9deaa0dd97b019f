"""`kesc status --why STAGE/SHARD`: what made a shard stale, with the old and the new value.

A commit record keeps a hash of each setting that went into its shard. The profiles of earlier builds are in ROOT
(`pipelines/HASH.json`), so the value behind a hash is that of a profile whose setting has this hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import PurePath
from typing import Any

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.records import Language
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.saved_profile import load_profile
from kespeechchat.store.commit import ShardKey, short_hash
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.shards import read_sound_record

_SHORT = 100  # characters of a value, from a little before where it differs
_BEFORE = 20


def why(pipeline: Pipeline, store: ObjectStore, stage: str, shard: int) -> list[str]:
    """What changed between a shard's last commit and what the profile asks for now, a line each."""
    build_state = BuildState(pipeline, store)
    state = build_state.states(stage).get(shard)
    if state is None:
        return [f"{stage} has no shard {shard:05d} (or it is not known yet: build the stages before it)"]
    if state.state is not State.STALE:
        return [f"{stage} shard {shard:05d} is {state.state.value}"]
    unit = pipeline.unit_of(stage)
    listing = build_state.listing(unit.name)
    keys = (ShardKey(shard, fp, g) for (n, fp), g in sorted(listing.committed.items()) if n == shard)
    records = [read_sound_record(store, unit.name, key) for key in keys]
    if not records:
        return [f"{stage} shard {shard:05d} is stale:", "  its commit was found corrupt"]
    now = state.order.ingredients
    then = min((record.ingredients for record in records), key=lambda old: len(_changed(old, now)))
    values = _Values(build_state.pipeline, store, state.order.language)
    lines = [line for name in _changed(then, now) for line in values.difference(name, then.get(name), now.get(name))]
    lines = lines or ["its audio was removed by `kesc clean` and is needed again"]
    return [f"{stage} shard {shard:05d} is stale:", *(f"  {line}" for line in lines)]


Digests = Mapping[str, str]  # path of an input or a model → digest of its content


def settings_that_differ(then: Pipeline, now: Pipeline, digests: tuple[Digests, Digests] = ({}, {})) -> Iterator[str]:
    """A line for each setting or prompt in which two profiles differ, with the old and the new value. Where a build
    lies and what runs it makes no difference; nor does where a file lies whose content is in `digests` (then, now)."""
    dumps = [_by_content(p.model_dump(mode="json"), known) for p, known in zip((then, now), digests, strict=True)]
    for name in ("seed", "instructions", "speech", "engines", "stages", "rounds", "prompts"):
        old, new = (dump.get(name) for dump in dumps)
        if old != new:
            yield from _leaves(name, old, new)


def _by_content(value: Any, digests: Digests) -> Any:
    """`value` with each path whose content is known as its name and digest."""
    if isinstance(value, dict):
        return {key: _by_content(part, digests) for key, part in value.items()}
    if isinstance(value, list):
        return [_by_content(part, digests) for part in value]
    if isinstance(value, str) and value in digests:
        return f"{PurePath(value).name} ({digests[value][:12]})"
    return value


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {**then, **now} if then.get(name) != now.get(name))


class _Values:
    """The values of settings as the profile has them now, and as saved profiles had them."""

    def __init__(self, pipeline: Pipeline, store: ObjectStore, language: Language | None) -> None:
        self._now, self._store, self._language = pipeline, store, language

    @cached_property
    def _saved(self) -> list[Pipeline]:
        """The profiles of earlier builds; one that this version cannot read says nothing."""
        found = []
        for key, _ in self._store.list("pipelines"):
            try:
                found.append(load_profile(self._store.url, key.rsplit("/", 1)[-1].removesuffix(".json")))
            except (ConfigError, FileNotFoundError):
                continue
        return found

    def difference(self, name: str, then: str | None, now: str | None) -> Iterator[str]:
        """Lines on one ingredient, of which the record and the profile have these hashes."""
        stage, key = self._split(name)
        if name.startswith("input:"):
            yield f"{name.removeprefix('input:')}: its input was made again"
        elif key in ("version", "seed"):
            yield f"{name}: was {then or 'not there'}, is {now or 'not there'}"
        elif then is None:
            yield f"{name}: was not there, is {_short(self._value(self._now, stage, key))}"
        else:
            old = next((v for p in self._saved if short_hash(v := self._value(p, stage, key)) == then), None)
            new = self._value(self._now, stage, key) if now is not None else None
            if old is None and short_hash(None) != then:
                yield f"{name}: the old value is not known (no saved profile has it), is {_short(new)}"
            else:
                yield from _leaves(name, old, new)

    def _split(self, name: str) -> tuple[str, str]:
        """`gate.r1.max_error` → (`gate.r1`, `max_error`)."""
        stages = (stage for stage in self._now.flow if name.startswith(f"{stage}."))
        stage = max(stages, key=len, default="")
        return stage, name[len(stage) + 1 :]

    def _value(self, pipeline: Pipeline, stage: str, key: str) -> object:
        """None where the profile has no such stage, engine or setting."""
        if stage not in pipeline.flow:
            return None
        try:
            relevant = pipeline.relevant_to(stage, self._language)
        except KeyError:  # an engine or a prompt of another name
            return None
        value: object = {**relevant["settings"], **relevant["named"]}.get(key)
        return value


def _leaves(name: str, old: object, new: object) -> Iterator[str]:
    """A line for each part that differs, however deep in mappings it is, and in lists of as many mappings."""
    if _alike(old, new):
        for place, (one, other) in enumerate(zip(old, new, strict=True)):  # type: ignore[call-overload]
            if one != other:
                yield from _leaves(f"{name}.{place}", one, other)
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if old.get(key) != new.get(key):
                yield from _leaves(f"{name}.{key}", old.get(key), new.get(key))
    else:
        at = _first_difference(old, new)
        yield f"{name}: was {_short(old, at)}, is {_short(new, at)}"


def _alike(old: object, new: object) -> bool:
    both = isinstance(old, list) and isinstance(new, list)
    return both and len(old) == len(new) and all(isinstance(part, dict) for part in (*old, *new))  # type: ignore[arg-type,misc]


def _first_difference(old: object, new: object) -> int:
    if not (isinstance(old, str) and isinstance(new, str)):
        return 0
    pairs = zip(old, new, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(old), len(new)))


def _short(value: object, at: int = 0) -> str:
    """The value as JSON; of a long text the part from `at` on, with a little before it."""
    if isinstance(value, str) and len(value) > _SHORT:
        start = max(0, at - _BEFORE)
        value = ("…" if start else "") + value[start : start + _SHORT] + ("…" if start + _SHORT < len(value) else "")
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 2 * _SHORT else text[: 2 * _SHORT] + "…"
