"""The dataset as it stands in ROOT: gated rows, their audio, the voices, for export and report."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from kespeechchat.commands.voices import privacy_measure
from kespeechchat.config.flow import AUDIO, GATE, LIBRARY
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import in_round, split_round
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.target_hours import Targets
from kespeechchat.store.commit import ShardKey
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.shards import read_sound_record, read_table

Item, Result = TypeVar("Item"), TypeVar("Result")
_PART = 16  # shards: 5,600 dialogues as planned by default


def prefetch(load: Callable[[Item], Result], items: Iterable[Item], by: int = 2) -> Iterator[Result]:
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
class FinishedPart:
    """Some committed shards (unit, key) of `store`, in order; it can be sent to another process."""

    store: ObjectStore
    shards: tuple[tuple[str, ShardKey], ...]

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[tuple[tuple[int, int], pa.Table]]:
        """((shard, round), its kept rows), with `id` and these columns alone (see `store.shards.read_table`)."""

        def load(shard: tuple[str, ShardKey]) -> tuple[tuple[int, int], pa.Table]:
            unit, key = shard
            table = read_table(self.store, unit, read_sound_record(self.store, unit, key), columns)
            return (key.shard, split_round(unit)[1]), table

        return prefetch(load, self.shards)

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Each names its `round`."""
        for (_, round_), table in self.tables(columns):
            for row in table.to_pylist():
                row["round"] = round_
                yield row

    def split(self) -> list[FinishedPart]:
        """The same shards in the same order, in parts that do not depend on who reads them."""
        return [FinishedPart(self.store, self.shards[i : i + _PART]) for i in range(0, len(self.shards), _PART)]


class FinishedRows:
    """Kept rows of stage `gate` in every round, each dialogue once; in shard order, and within a shard round by round.
    Read anew at each iteration; each row names its `shard` and its `round`."""

    def __init__(self, pipeline: Pipeline, store: ObjectStore, build_state: BuildState | None = None) -> None:
        self.pipeline, self.store, self.build_state = pipeline, store, build_state or BuildState(pipeline, store)
        rounds = {gate: self.build_state.states(gate) for gate in pipeline.in_rounds(GATE)}
        self._shards = [
            (gate, states[shard].order.key)
            for shard in rounds[GATE]
            for gate, states in rounds.items()
            if shard in states and states[shard].state is State.DONE
        ]
        through = Counter(key.shard for _, key in self._shards)
        held = Targets(pipeline, store).count(self.build_state).held_back(self.build_state)
        waiting = {shard for shard in rounds[GATE] if through[shard] < len(rounds)}
        self.missing = len(waiting - held.keys())  # those that a further build would add to
        if not self._shards:
            raise ConfigError(f"{store.url}: nothing is gated yet; run `kesc build` first")
        self._audio: tuple[tuple[int, int], dict[str, Any]] | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for (shard, round_), table in self._whole().tables():
            for row in table.to_pylist():
                row["shard"], row["round"] = shard, round_
                yield row

    def parts(self) -> list[FinishedPart]:
        """The same rows, in the same order, for readers of some columns and for several processes."""
        return self._whole().split()

    def _whole(self) -> FinishedPart:
        return FinishedPart(self.store, tuple(self._shards))

    @property
    def content(self) -> str:
        """Changes when what the rows or their audio came from changes."""
        keys = [f"{gate}/{key.stem}" for gate, key in self._shards]
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()

    def audio(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """role → marked speech as FLAC, of the round that was kept. Reads a shard once for all its rows of a round."""
        of = (row["shard"], row["round"])
        if self._audio is None or self._audio[0] != of:
            marked = self.pipeline.unit_of(in_round(AUDIO, row["round"])).name
            table = read_table(self.store, marked, self.build_state.record(marked, row["shard"]), ["turns"])
            spoken = zip(table["id"].to_pylist(), table["turns"].to_pylist(), strict=True)
            self._audio = (of, {id_: {t["role"]: t["audio"] for t in turns} for id_, turns in spoken})
        return self._audio[1][row["id"]]

    def voices(self) -> list[dict[str, Any]]:
        """The pinned voice library."""
        assert self.build_state.pin is not None
        return read_table(
            self.store, LIBRARY, read_sound_record(self.store, LIBRARY, self.build_state.pin.key)
        ).to_pylist()

    def privacy(self) -> dict[str, Any]:
        """Whether the measuring encoder took part in making the voices, and the margins it found."""
        found = privacy_measure(self.build_state)
        nearest = [v["nearest_speaker_cosine"] for v in self.voices()]
        threshold = self.pipeline.stages.voices.privacy.speaker_threshold
        return found | {
            "highest cosine of a voice's speech to a real speaker's clip": f"{max(nearest):.3f}",
            "same-speaker threshold of that encoder": f"{threshold}",
        }
