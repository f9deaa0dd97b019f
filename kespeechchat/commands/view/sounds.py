"""One turn's audio out of a shard of hundreds: its group of rows is read and no more, and made WAV."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pyarrow.parquet as pq

from kespeechchat.config.flow import AUDIO
from kespeechchat.config.rounds import in_round
from kespeechchat.export.audio_files import wav_bytes
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.store.ranged import open_parquet

_SHARDS, _SOUNDS = 16, 64  # kept: footers and ids of shards; turns of a page or three
Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The last so many values by key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Any, Value] = OrderedDict()

    def get(self, key: Any, make: Callable[[], Value]) -> Value:
        """The value of the key, which is made where it is not kept."""
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]


class Sounds:
    """Reads the marked speech of takes. One is read at a time."""

    def __init__(self, build_state: BuildState) -> None:
        self._build_state, self._lock = build_state, threading.Lock()
        self._files: Recent[tuple[pq.ParquetFile, dict[str, int]]] = Recent(_SHARDS)
        self._turns: Recent[dict[str, bytes]] = Recent(_SOUNDS)

    def wav(self, shard: int, round_: int, id_: str, role: str) -> bytes | None:
        """A turn as 16-bit WAV; None where ROOT has no speech of it. Raises StoreError and CorruptShard."""
        with self._lock:
            return self._turns.get((shard, round_, id_), lambda: self._read(shard, round_, id_)).get(role)

    def _read(self, shard: int, round_: int, id_: str) -> dict[str, bytes]:
        stage = in_round(AUDIO, round_)
        if stage not in self._build_state.pipeline.flow:
            return {}
        state = self._build_state.states(stage).get(shard)
        if state is None or state.state is not State.DONE:
            return {}
        file, places = self._files.get((shard, round_), lambda: self._opened(stage, shard))
        if id_ not in places:
            return {}
        group, place = 0, places[id_]
        while place >= (rows := file.metadata.row_group(group).num_rows):
            group, place = group + 1, place - rows
        names = [f"turns.list.element.{name}" for name in ("role", "audio", "sample_rate")]
        (row,) = file.read_row_group(group, columns=names).slice(place, 1).to_pylist()
        return {t["role"]: wav_bytes(t["audio"], t["sample_rate"]) for t in row["turns"] or () if t["audio"]}

    def _opened(self, stage: str, shard: int) -> tuple[pq.ParquetFile, dict[str, int]]:
        file = open_parquet(self._build_state.store, self._build_state.record(stage, shard))
        ids = file.read(columns=["id"])["id"].to_pylist()
        return file, {id_: place for place, id_ in enumerate(ids)}
