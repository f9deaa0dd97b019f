"""What is expected: the ingredients of a shard's fingerprint, and the order that makes it.

A fingerprint is a hash of ingredients: the stage's version, its settings (of the shard's language), the engines and
prompts that they name, and the fingerprints and generations of its inputs. All of it is known before anything runs, so
planning opens no commit record but those of the few reduce stages. A commit record keeps the ingredients, so that
`kesc status --why` can say which of them changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.config.units import Unit
from kespeechchat.records import Language
from kespeechchat.stages.base import Reads, Scope
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.orders import Input, Order
from kespeechchat.state.voice_pin import PinnedVoices
from kespeechchat.store.commit import Listing, ShardKey, short_hash, texts_hash
from kespeechchat.store.manifest import PlannedShard


@dataclass(frozen=True)
class ExpectedShard:
    """A shard that a unit should have.

    `planned`: its rows, where the planning pass gave it some; `screened`: what the screening found of them, where it
    refuses some. `part`: rows [start, stop) of the one shard that its unit
    reads in slices.
    """

    number: int
    language: Language | None
    planned: PlannedShard | None = None
    screened: PlannedShard | None = None
    part: tuple[int, int] | None = None


class Orders:
    """Writes orders. `keys_of(reads, shard)` names the shards of another unit that a shard reads."""

    def __init__(self, pipeline: Pipeline, pin: PinnedVoices | None) -> None:
        self._pipeline, self._pin = pipeline, pin
        self._settings: dict[tuple[str, str | None], dict[str, str]] = {}

    def order(
        self,
        unit: Unit,
        shard: ExpectedShard,
        listing: Listing,
        keys_of: Callable[[Reads, int], tuple[ShardKey, ...]],
    ) -> Order:
        """The order of a shard: of the generation that `listing` (the unit's commits) holds, else of the next one."""
        ingredients = dict(self._settings_of(unit, shard.language))
        inputs: list[Input] = []
        library = None
        if shard.planned:
            ingredients["input:plan"] = short_hash(shard.planned.content)
        if shard.screened:  # nothing is added where no row is refused: the shard is as it was without screening
            ingredients["input:screening"] = short_hash(shard.screened.checksum)
        for stage, reads in _external_reads(unit):
            if not reads.asked_for(self._pipeline.settings_of(stage)):
                continue
            if reads.scope is Scope.LIBRARY:
                library = self._pin
                ingredients["input:voice library"] = library.content if library else "none yet"
                continue
            given = self._input(reads, shard, keys_of(reads, shard.number))
            ingredients[f"input:{reads.stage}"] = _fingerprint_of(given)
            inputs.append(given)
        fingerprint = texts_hash(ingredients)
        generation = listing.generation(shard.number, fingerprint)
        if generation is None:
            generation = listing.next_generation(shard.number, fingerprint)
        key = ShardKey(shard.number, fingerprint, generation)
        return Order(unit, key, shard.language, shard.planned, shard.screened, tuple(inputs), library, ingredients)

    def _input(self, reads: Reads, shard: ExpectedShard, keys: tuple[ShardKey, ...]) -> Input:
        source = self._pipeline.unit_of(reads.stage).name
        if reads.scope is not Scope.SLICE:
            return Input(reads.stage, source, keys)
        assert shard.part is not None, f"{reads.stage} is read in slices, and shard {shard.number} names none"
        return Input(reads.stage, source, keys, *shard.part)

    def _settings_of(self, unit: Unit, language: Language | None) -> dict[str, str]:
        """The ingredients that all shards of a unit and language share, hashed once."""
        cached = self._settings.get((unit.name, language))
        if cached is None:
            cached = {}
            for stage in unit:
                relevant = self._pipeline.relevant_to(stage, language)
                cached[f"{stage}.version"] = str(self._version(stage))
                cached[f"{stage}.seed"] = str(relevant["seed"])
                cached |= {f"{stage}.{k}": short_hash(v) for k, v in relevant["settings"].items()}
                cached |= {f"{stage}.{k}": short_hash(v) for k, v in relevant["named"].items()}
            self._settings[(unit.name, language)] = cached
        return cached

    def _version(self, stage: str) -> int:
        """Of the code that made the build, where ROOT's own profile is asked; else of the code that runs."""
        return (self._pipeline.versions or {}).get(split_round(stage)[0], stage_class(stage).version)


def _fingerprint_of(given: Input) -> str:
    """An input as an ingredient: its fingerprint and generation (of several, their hash), and the slice that is read.

    A change of this form makes every shard stale.
    """
    names = [f"{key.fingerprint}.g{key.generation}" for key in given.keys]
    text = names[0] if len(names) == 1 else short_hash(names)
    return text if given.stop is None else f"{text}[{given.start}:{given.stop}]"


@cache
def _external_reads(unit: Unit) -> list[tuple[str, Reads]]:
    """(stage, what it reads of ROOT) of the unit: neither planned rows nor what its own stages hand on in memory."""
    reads = [(stage, r) for stage in unit for r in stage_class(stage).reads()]
    return [(stage, r) for stage, r in reads if r.scope is not Scope.PLAN and r.stage not in unit]
