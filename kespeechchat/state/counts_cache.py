"""A cache of the counts in a unit's commit records, so that `kesc status` opens few files; it may be deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from kespeechchat.state.build_state import BuildState
from kespeechchat.store.commit import Counts, ShardKey
from kespeechchat.store.documents import dump, parse
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.shards import read_sound_record

StageCounts = dict[str, Counts]  # of one shard, by stage of its unit
_ByStem = dict[str, StageCounts]  # by the stem of the commit record's name


class CountsCache:
    """The counts of one unit's shards, by commit record; kept in `ROOT/UNIT/rollup.json`."""

    def __init__(self, store: ObjectStore, unit: str) -> None:
        self._store, self._unit, self._key = store, unit, f"{unit}/rollup.json"
        self._changed = False
        try:
            self._by_stem: _ByStem = parse(_ByStem, store.get(self._key))
        except (FileNotFoundError, ValueError):
            self._by_stem = {}  # none yet, or torn: it is only a cache

    def counts(self, keys: Iterable[ShardKey]) -> dict[ShardKey, StageCounts]:
        """The counts of each shard; opens the records that are not in the cache. Raises CorruptShard."""
        keys = list(keys)
        missing = [key for key in keys if key.stem not in self._by_stem]
        with ThreadPoolExecutor(8) as pool:
            self.learn(dict(zip((key.stem for key in missing), pool.map(self._read, missing), strict=True)))
        return {key: self._by_stem[key.stem] for key in keys}

    def learn(self, counts: Mapping[str, StageCounts]) -> None:
        """Takes in counts that are known already, by record's stem, so that their records need not be opened."""
        self._changed = self._changed or bool(counts)
        self._by_stem |= counts

    def save(self) -> None:
        """Writes the cache if anything was learned since it was read."""
        if self._changed:
            self._store.put(self._key, dump(_ByStem, dict(sorted(self._by_stem.items()))))
            self._changed = False

    def _read(self, key: ShardKey) -> StageCounts:
        return read_sound_record(self._store, self._unit, key).counts


def update_counts_cache(build_state: BuildState, built: Mapping[str, Mapping[str, StageCounts]]) -> None:
    """Brings every unit's cache up to date: with the counts of what this build `built` (unit → record's stem → counts),
    and by opening the other committed records that it lacks."""
    for unit in (unit.name for unit in build_state.pipeline.units):
        cache = CountsCache(build_state.store, unit)
        cache.learn(built.get(unit, {}))
        cache.counts(ShardKey(shard, fp, gen) for (shard, fp), gen in build_state.listing(unit).committed.items())
        cache.save()
