"""The dataset as it stands in ROOT: gated rows, their audio, the voices, for export and report."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.run.plan import Order, Plan, State
from kespeechchat.run.targets import Targets
from kespeechchat.run.voice_report import privacy_measure
from kespeechchat.store.commit import CommitRecord, ShardKey, read_record
from kespeechchat.store.objects import ObjectStore
from kespeechchat.store.shards import read_table

Item, Result = TypeVar("Item"), TypeVar("Result")
_PART = 16  # shards: 5,600 dialogues as planned by default


def ahead(load: Callable[[Item], Result], items: Iterable[Item], by: int = 2) -> Iterator[Result]:
    """`load` of each item in order, done by a thread up to `by` items ahead: reading and decoding need no Python lock,
    so they go on while what was read is worked on."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append(pool.submit(load, item))
            if len(waiting) > by:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True)
class GatedPart:
    """Some committed shards (unit, key) of `store`, in order; it can be sent to another process."""

    store: ObjectStore
    shards: tuple[tuple[str, ShardKey], ...]

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pa.Table]]:
        """(shard, its kept rows), with `id` and these columns alone (see `store.shards.read_table`)."""

        def load(shard: tuple[str, ShardKey]) -> tuple[int, pa.Table]:
            unit, key = shard
            return key.shard, read_table(self.store, unit, read_record(self.store, unit, key), columns)

        return ahead(load, self.shards)

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        for _, table in self.tables(columns):
            yield from table.to_pylist()

    def split(self) -> list[GatedPart]:
        """The same shards in the same order, in parts that do not depend on who reads them."""
        return [GatedPart(self.store, self.shards[i : i + _PART]) for i in range(0, len(self.shards), _PART)]


class GatedRows:
    """Kept rows of stage `gate`, in shard order, read anew at each iteration; each row names its `shard`."""

    def __init__(self, pipeline: Pipeline, store: ObjectStore, plan: Plan | None = None) -> None:
        self.pipeline, self.store, self.plan = pipeline, store, plan or Plan(pipeline, store)
        states = self.plan.states("gate")
        self.orders: dict[int, Order] = {n: s.order for n, s in states.items() if s.state is State.DONE}
        held = Targets(pipeline, store).count(self.plan).held_back(self.plan)
        self.missing = len(states.keys() - self.orders.keys() - held.keys())  # those that a further build would add
        if not self.orders:
            raise ConfigError(f"{store.url}: nothing is gated yet; run `kesc build` first")
        self._audio: tuple[int, dict[str, Any]] | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for shard, table in self._whole().tables():
            for row in table.to_pylist():
                row["shard"] = shard
                yield row

    def parts(self) -> list[GatedPart]:
        """The same rows, in the same order, for readers of some columns and for several processes."""
        return self._whole().split()

    def _whole(self) -> GatedPart:
        return GatedPart(self.store, tuple(("gate", order.key) for order in self.orders.values()))

    @property
    def content(self) -> str:
        """Changes when what the rows or their audio came from changes."""
        keys = [f"{o.key.stem}" for o in self.orders.values()]
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()

    def audio(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """role → marked speech as FLAC. Reads a shard once for all its rows."""
        shard = row["shard"]
        if self._audio is None or self._audio[0] != shard:
            table = read_table(self.store, self._marked, self._record(self._marked, shard), ["turns"])
            spoken = zip(table["id"].to_pylist(), table["turns"].to_pylist(), strict=True)
            self._audio = (shard, {id_: {t["role"]: t["audio"] for t in turns} for id_, turns in spoken})
        return self._audio[1][row["id"]]

    def voices(self) -> list[dict[str, Any]]:
        """The pinned voice library."""
        assert self.plan.pin is not None
        return read_table(self.store, "voices", read_record(self.store, "voices", self.plan.pin.key)).to_pylist()

    def privacy(self) -> dict[str, Any]:
        """Whether the measuring encoder took part in making the voices, and the margins it found."""
        found = privacy_measure(self.plan)
        nearest = [v["nearest_speaker_cosine"] for v in self.voices()]
        threshold = self.pipeline.stages.voices.privacy.speaker_threshold
        return found | {
            "highest cosine of a voice's speech to a real speaker's clip": f"{max(nearest):.3f}",
            "same-speaker threshold of that encoder": f"{threshold}",
        }

    @property
    def _marked(self) -> str:
        return self.pipeline.unit_of("watermark")[-1]

    def _record(self, stage: str, shard: int) -> CommitRecord:
        return self.plan.record(stage, shard)
