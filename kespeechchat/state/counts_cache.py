"""A cache of the counts in a unit's commit records, so that `kesc status` opens few files. Can be rebuilt any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from kespeechchat.state.build_state import BuildState
from kespeechchat.store.commit import Counts, ShardKey
from kespeechchat.store.documents import dump, parse
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.shards import read_sound_record

_Summary = dict[str, Counts]
_Known = dict[str, _Summary]  # by commit record's stem


class CountsCache:
    """Counts by commit record's name."""

    def __init__(self, store: ObjectStore, unit: str) -> None:
        self._store, self._unit, self._key = store, unit, f"{unit}/rollup.json"
        self._learned = False
        try:
            self._known: _Known = parse(_Known, store.get(self._key))
        except (FileNotFoundError, ValueError):
            self._known = {}  # none yet, or torn: it is only a cache

    def counts(self, keys: Iterable[ShardKey]) -> dict[ShardKey, _Summary]:
        """Counts per stage of each record; opens those it does not know yet."""
        keys = list(keys)
        missing = [key for key in keys if key.stem not in self._known]
        with ThreadPoolExecutor(8) as pool:
            self.learn(dict(zip((key.stem for key in missing), pool.map(self._open, missing), strict=True)))
        return {key: self._known[key.stem] for key in keys}

    def learn(self, counts: Mapping[str, _Summary]) -> None:
        """Counts by record's stem, as the workers told them: nothing of it need be opened."""
        self._learned = self._learned or bool(counts)
        self._known |= counts

    def save(self) -> None:
        """Writes the cache, if anything was learned since it was read."""
        if self._learned:
            self._store.put(self._key, dump(_Known, dict(sorted(self._known.items()))))
            self._learned = False

    def _open(self, key: ShardKey) -> _Summary:
        return read_sound_record(self._store, self._unit, key).counts


def update_counts_cache(build_state: BuildState, learned: Mapping[str, Mapping[str, _Summary]]) -> None:
    """Brings every unit's cache up to date: by what this build `learned` (unit → record's stem → counts), and by
    opening whatever else was committed and is not in the cache."""
    for unit in (unit.name for unit in build_state.pipeline.units):
        rollup = CountsCache(build_state.store, unit)
        rollup.learn(learned.get(unit, {}))
        rollup.counts(ShardKey(shard, fp, gen) for (shard, fp), gen in build_state.listing(unit).committed.items())
        rollup.save()
