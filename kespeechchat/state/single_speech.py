"""The marked speech of single dialogues, out of shards of hundreds: only the group of rows that a dialogue is among is
read, by ranges. For whole shards there is `finished_rows.marked_speech`, which checks their checksums too."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import pyarrow.parquet as pq

from kespeechchat.config.flow import AUDIO
from kespeechchat.config.rounds import in_round
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.finished_rows import speech_by_name
from kespeechchat.store.ranged import open_parquet

_FILES, _GROUPS = 16, 2  # kept: footers and ids of shards; groups of rows, some 10 MB each
Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The last so many values by key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of the key, which is made where it is not kept."""
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]


class SingleSpeech:
    """Reads the speech of dialogues of a build. Not for several threads at once."""

    def __init__(self, build_state: BuildState) -> None:
        self._build_state = build_state
        self._files: Recent[tuple[pq.ParquetFile, dict[str, int]]] = Recent(_FILES)
        self._groups: Recent[list[dict[str, bytes]]] = Recent(_GROUPS)

    def flac(self, shard: int, round_: int, id_: str) -> dict[str, bytes]:
        """Name of the turn → FLAC of the dialogue as the round spoke it; empty where ROOT has no speech of it. Raises
        StoreError and CorruptShard."""
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
        return self._groups.get((shard, round_, group), lambda: _read(file, group))[place]

    def _opened(self, stage: str, shard: int) -> tuple[pq.ParquetFile, dict[str, int]]:
        file = open_parquet(self._build_state.store, self._build_state.record(stage, shard))
        ids = file.read(columns=["id"])["id"].to_pylist()
        return file, {id_: place for place, id_ in enumerate(ids)}


def _read(file: pq.ParquetFile, group: int) -> list[dict[str, bytes]]:
    rows = file.read_row_group(group, columns=[f"turns.list.element.{name}" for name in ("role", "audio")])
    spoken = [speech_by_name(turns or ()) for turns in rows["turns"].to_pylist()]
    return [{name: flac for name, flac in turns.items() if flac} for turns in spoken]
