"""Target hours: a build begins no more shards of a language once enough of its speech has passed the gate.

A shard holds one language and all its splits, so a language continues until each of its splits that has a target has
reached it; what the other splits get above theirs is kept. After that no stage up to synthesis begins a shard of the
language. What is spoken already is still measured, gated and, in its rounds, spoken again: no speech is lost, and a
changed threshold gates all of it anew. Other languages continue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import TypedDict

from kespeechchat.config.flow import GATE, SPEAKS, TRAITS
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import hours
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.counts_cache import CountsCache
from kespeechchat.state.orders import Built, BuiltStatus, Closed
from kespeechchat.store.interface import ObjectStore


class HoursOfSplit(TypedDict):
    """Hours that passed the gate, and how many the profile asks for."""

    hours: float
    target: float


class Targets:
    """Hours that passed the gate, compared with the profile's `target_hours`. Without targets nothing is counted."""

    def __init__(self, pipeline: Pipeline, store: ObjectStore) -> None:
        self.pipeline = pipeline
        gates = pipeline.in_rounds(GATE) if pipeline.target_hours and pipeline.chain == "dialogues" else ()
        self._counts = {gate: CountsCache(store, gate) for gate in gates}
        # (gate, shard) → (language, split) → seconds
        self._shards: dict[tuple[str, int], Counter[tuple[str, str]]] = {}
        self._seconds: Counter[tuple[str, str]] = Counter()

    def count(self, build_state: BuildState) -> Targets:
        """Counts anew the shards in ROOT that are done; stale ones do not count. Returns itself."""
        self._shards, self._seconds = {}, Counter()
        for gate, cache in self._counts.items():
            done = {order.key: order.language for order in build_state.done(gate)}
            for key, counts in cache.counts(done).items():
                self._note((gate, key.shard), done[key], counts[gate].seconds)
        return self

    def add(self, built: Built) -> frozenset[str]:
        """Counts a shard that was just built. Returns the languages that reached their targets by it."""
        if built.unit not in self._counts or built.status is not BuiltStatus.COMMITTED:
            return frozenset()
        before = self.reached
        self._counts[built.unit].learn({built.stem: built.counts})
        self._note((built.unit, built.shard), built.language, built.counts[built.unit].seconds)
        return self.reached - before

    def _note(self, shard: tuple[str, int], language: str | None, seconds: Mapping[str, float]) -> None:
        """A shard may be reported twice (its worker died after it reported) or made again: the last report counts."""
        self._seconds -= self._shards.get(shard, Counter())
        self._shards[shard] = Counter({(language or "", split): s for split, s in seconds.items()})
        self._seconds += self._shards[shard]

    def hours(self, language: str, split: str) -> float:
        """Hours of the language and split that passed the gate."""
        return self._seconds[(language, split)] / 3600

    @property
    def reached(self) -> frozenset[str]:
        """Languages that have targets and have reached all of them."""
        return frozenset(
            language
            for language, targets in self.pipeline.target_hours.items()
            if targets and all(self.hours(language, split) >= hours for split, hours in targets.items())
        )

    @property
    def closed(self) -> Closed:
        """The units up to synthesis, for the languages that have reached their targets."""
        return frozenset((unit, language) for language in self.reached for unit in self._leading_to_speech)

    @cached_property
    def _leading_to_speech(self) -> list[str]:
        """Units from `ingest` to synthesis, and what is fused to it."""
        stages: list[str] = []
        stage = SPEAKS
        while stage in TRAITS:
            stages.append(stage)
            stage = TRAITS[stage].source.stage
        return [unit.name for unit in self.pipeline.units if set(unit) & set(stages)]

    def held_back(self, build_state: BuildState) -> dict[int, str]:
        """Shards that are not spoken because their language has reached its targets → that language."""
        reached = self.reached
        states = build_state.states(SPEAKS) if reached else {}
        waiting = {n: s.order.language for n, s in states.items() if s.state is not State.DONE}
        return {n: language for n, language in waiting.items() if language is not None and language in reached}

    def figures(self) -> dict[str, dict[str, HoursOfSplit]]:
        """language → split → hours, for the splits that have a target."""
        return {
            language: {
                split: HoursOfSplit(hours=round(self.hours(language, split), 4), target=target)
                for split, target in targets.items()
            }
            for language, targets in self.pipeline.target_hours.items()
        }


def hours_line(splits: Mapping[str, HoursOfSplit]) -> str:
    """One language's hours as text, as in `train 39,120 of 40,000 h, test 15.2 of 15.0 h`."""
    return ", ".join(f"{split} {hours(f['hours'])} of {hours(f['target'])} h" for split, f in splits.items())
