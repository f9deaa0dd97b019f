"""What is to be done: the expected fingerprint of every shard of every unit, held against the listings.

A fingerprint is a hash of *ingredients*: the stage's version, its settings (of the shard's language), the engines and
prompts they name, and its inputs' fingerprints and generations. All of it is known before anything runs, so a plan
opens no record but those of the few reduce stages. Ingredients are kept in the commit record, so that
`kesc status --why` can say which of them changed.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, cached_property
from typing import Any

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import in_round, split_round
from kespeechchat.config.units import Unit
from kespeechchat.stages.base import Reads, Scope
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.model_digests import with_model_digests
from kespeechchat.state.orders import Input, Order
from kespeechchat.state.voice_pin import read_pin
from kespeechchat.store.commit import CLEANED, CommitRecord, Listing, ShardKey, list_commits, short_hash
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.manifest import Manifest, PlannedShard
from kespeechchat.store.shards import read_sound_record


class State(Enum):
    DONE = "done"
    PENDING = "pending"
    STALE = "stale"
    FAILED = "failed"


@dataclass(frozen=True)
class ShardState:
    order: Order
    state: State


class BuildState:
    """The state of a build as its names tell it. Make a new one when something was committed.

    `partial`: a reduce stage takes the shards that are done as all there are. What it makes of them is another shard
    (its fingerprint names its inputs), so a plan without `partial` calls it stale and makes it again from all.
    """

    def __init__(self, pipeline: Pipeline, store: ObjectStore, partial: bool = False) -> None:
        self.pipeline = pipeline if pipeline.contents is not None else with_model_digests(pipeline)
        self.store, self.partial = store, partial
        self.manifests = {branch: Manifest(store, branch) for branch in ("instructions", "speech")}
        self.pin = read_pin(store)
        self._listings: dict[str, Listing] = {}
        self._states: dict[str, dict[int, ShardState]] = {}
        self._static: dict[tuple[str, str | None], dict[str, str]] = {}

    def listing(self, unit: str) -> Listing:
        if unit not in self._listings:
            self._listings[unit] = list_commits(self.store, unit)
        return self._listings[unit]

    def states(self, stage: str) -> dict[int, ShardState]:
        """Per shard number, of the unit that publishes `stage`."""
        unit = self.pipeline.unit_of(stage)
        if unit.name not in self._states:
            with _uncollected():
                self._states[unit.name] = {o.key.shard: self._judged(o) for o in self._orders(unit)}
                self._reopen(unit)
        return self._states[unit.name]

    def pending(self, stage: str) -> list[Order]:
        return [s.order for s in self.states(stage).values() if s.state is not State.DONE]

    def complete(self, stage: str) -> bool:
        states = self.states(stage)
        return bool(states) and all(s.state is State.DONE for s in states.values())

    def record(self, stage: str, shard: int = 0) -> Any:
        order = self.states(stage)[shard].order
        return read_sound_record(self.store, order.name, order.key)

    def standing_record(self, order: Order) -> CommitRecord:
        """The record of what stands of a committed shard: of what is left, where its audio was cleaned away."""
        cleaned = order.key in self.listing(order.name).cleaned
        return read_sound_record(self.store, order.name, order.key, CLEANED if cleaned else None)

    def _reopen(self, unit: Unit) -> None:
        """Shards without their audio, where what replaced it has to be made again, have to be made again too."""
        listing, reader = self.listing(unit.name), replaced_by(unit.name)
        if not listing.cleaned or reader is None:
            return
        own, later = self._states[unit.name], self.pipeline.unit_of(reader)
        for shard, state in list(self.states(reader).items()):
            order = own[shard].order
            if state.state is not State.DONE and order.key in listing.cleaned:
                key = replace(order.key, generation=listing.next_generation(shard, order.key.fingerprint))
                own[shard] = ShardState(replace(order, key=key), State.STALE)
                self._states[later.name][shard] = self._judged(self._order(later, shard, order.language))

    # --- orders

    def _orders(self, unit: Unit) -> Iterable[Order]:
        first = stage_class(unit.first)
        scope = first.source.scope
        if scope is Scope.PLAN:
            for planned in self.manifests[first.source.stage].shards:
                yield self._order(unit, planned.number, planned.language, planned=planned)
        elif scope is Scope.ALL:
            yield self._order(unit, 0, None)
        elif scope is Scope.SLICE:
            yield from self._sliced(unit, first.source)
        else:
            for shard, state in self.states(first.source.stage).items():
                yield self._order(unit, shard, state.order.language)

    def _sliced(self, unit: Unit, source: Reads) -> Iterable[Order]:
        """Slices of a reduce stage's one shard; how many there are is known once it is done."""
        if not self.complete(source.stage):
            return
        rows = self.record(source.stage).counts[source.stage].kept
        size = self.pipeline.speech.audition_shard_size
        for number, start in enumerate(range(0, rows, size)):
            yield self._order(unit, number, None, slice_=(start, min(start + size, rows)))

    def _order(
        self,
        unit: Unit,
        shard: int,
        language: str | None,
        planned: PlannedShard | None = None,
        slice_: tuple[int, int] | None = None,
    ) -> Order:
        ingredients = dict(self._static_ingredients(unit, language))
        inputs, library = [], None
        if planned:
            ingredients["input:plan"] = short_hash(planned.checksum)
        for reads in _external_reads(unit):
            if reads.scope is Scope.LIBRARY:
                library = self.pin
                ingredients["input:voice library"] = self.pin.content if self.pin else "none yet"
                continue
            start, stop = slice_ or (0, None)
            keys = self._keys(reads, shard)
            source = self.pipeline.unit_of(reads.stage).name
            part = (start, stop) if reads.scope is Scope.SLICE else (0, None)
            inputs.append(Input(reads.stage, source, keys, *part))
            names = [f"{k.fingerprint}.g{k.generation}" for k in keys]
            told = names[0] if len(names) == 1 else short_hash(names)
            ingredients[f"input:{reads.stage}"] = f"{told}[{start}:{stop}]" if reads.scope is Scope.SLICE else told
        fingerprint = short_hash(ingredients)
        listing = self.listing(unit.name)
        generation = listing.generation(shard, fingerprint)
        if generation is None:
            generation = listing.next_generation(shard, fingerprint)
        key = ShardKey(shard, fingerprint, generation)
        return Order(unit, key, language, planned, tuple(inputs), library, ingredients)

    def _keys(self, reads: Reads, shard: int) -> tuple[ShardKey, ...]:
        states = self.states(reads.stage)
        if reads.scope is Scope.ALL:
            ready = (n for n in sorted(states) if not self.partial or states[n].state is State.DONE)
            return tuple(states[n].order.key for n in ready)
        return (states[0 if reads.scope is Scope.SLICE else shard].order.key,)

    def _static_ingredients(self, unit: Unit, language: str | None) -> dict[str, str]:
        """What does not depend on the shard, hashed once per unit and language."""
        cached = self._static.get((unit.name, language))
        if cached is None:
            cached = {}
            for stage in unit:
                relevant = self.pipeline.relevant_to(stage, language)
                cached[f"{stage}.version"] = str(stage_class(stage).version)
                cached[f"{stage}.seed"] = str(relevant["seed"])
                cached |= {f"{stage}.{k}": short_hash(v) for k, v in relevant["settings"].items()}
                cached |= {f"{stage}.{k}": short_hash(v) for k, v in relevant["named"].items()}
            self._static[(unit.name, language)] = cached
        return cached

    def _judged(self, order: Order) -> ShardState:
        listing = self.listing(order.name)
        shard, fingerprint = order.key.shard, order.key.fingerprint
        if listing.generation(shard, fingerprint) is not None:
            return ShardState(order, State.DONE)
        if (shard, fingerprint) in listing.failed:
            return ShardState(order, State.FAILED)
        return ShardState(order, State.STALE if listing.any_of.get(shard) else State.PENDING)

    # --- segments

    @cached_property
    def segments(self) -> list[list[Unit]]:
        return segments(self.pipeline)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection: it would look through a large build's shards, which hold no cycles, again and again, for a
    third of a plan's time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@cache
def _external_reads(unit: Unit) -> list[Reads]:
    reads = [r for stage in unit for r in stage_class(stage).reads()]
    return [r for r in reads if r.scope is not Scope.PLAN and r.stage not in unit]


def segments(pipeline: Pipeline) -> list[list[Unit]]:
    """The units in groups that can run overlapped: a phase, cut before and after each reduce stage, and before each
    round: its actors start when those of the round before are gone, and need no GPU beside them."""
    groups: list[list[Unit]] = []
    for units in pipeline.units_by_phase:
        fresh = True
        for unit in units:
            source = stage_class(unit.first).source
            if fresh or source.without or source.scope in (Scope.ALL, Scope.SLICE, Scope.PLAN):
                groups.append([])
            groups[-1].append(unit)
            fresh = source.scope is Scope.ALL
    return groups


def replaced_by(stage: str) -> str | None:
    """The stage whose audio takes the place of this one's, once it is there."""
    base, round_ = split_round(stage)
    return in_round("watermark", round_) if base == "synthesize" else None
