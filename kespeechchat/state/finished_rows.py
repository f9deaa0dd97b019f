"""The finished dialogues in ROOT, their audio and the voice library: what an export, a release and a summary read."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypedDict, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.blocks import Block, blocks
from kespeechchat.config.flow import AUDIO, GATE, LIBRARY
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import in_round, split_round
from kespeechchat.records import Role, turn_names
from kespeechchat.rows import FinishedRow, Review
from kespeechchat.speech_tokens import SpeechTokens
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.target_hours import Targets
from kespeechchat.store.commit import ShardKey
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.shards import read_sound_record, read_table

ItemT = TypeVar("ItemT")
LoadedT = TypeVar("LoadedT")
_PART = 16  # shards: 5,600 dialogues as planned by default


def prefetch(load: Callable[[ItemT], LoadedT], items: Iterable[ItemT], by: int = 2) -> Iterator[LoadedT]:
    """`load` of each item in order, done by a thread up to `by` items ahead: reading and decoding need no Python lock,
    so they go on while what was read is worked on."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[LoadedT]] = deque()
        for item in items:
            waiting.append(pool.submit(load, item))
            if len(waiting) > by:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True)
class Reviewed:
    """What annotators' verdicts come to: shard → dialogue id → review. Rejected dialogues are left out; with
    `accepted_only`, all others that nobody accepted are too."""

    by_shard: Mapping[int, Mapping[str, Review]] = field(default_factory=dict)
    accepted_only: bool = False

    def of(self, shards: Iterable[int]) -> Reviewed:
        """The same of these shards alone."""
        return Reviewed({n: self.by_shard[n] for n in shards if n in self.by_shard}, self.accepted_only)

    def left(self, table: pa.Table, shard: int) -> pa.Table:
        """The rows that stay."""
        reviews = self.by_shard.get(shard, {})
        if not reviews and not self.accepted_only:
            return table
        wanted: Review = "accepted" if self.accepted_only else "rejected"
        found = pc.is_in(table["id"], pa.array([i for i, review in reviews.items() if review == wanted], pa.string()))
        return table.filter(found if self.accepted_only else pc.invert(found))


@dataclass(frozen=True)
class FinishedPart:
    """Some committed shards (unit, key) of `store`, in order, and what was said of their dialogues; it can be sent to
    another process."""

    store: ObjectStore
    shards: tuple[tuple[str, ShardKey], ...]
    reviewed: Reviewed = Reviewed()

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[tuple[tuple[int, int], pa.Table]]:
        """((shard, round), its kept rows), with `id` and these columns alone (see `store.shards.read_table`)."""

        def load(shard: tuple[str, ShardKey]) -> tuple[tuple[int, int], pa.Table]:
            unit, key = shard
            table = read_table(self.store, unit, read_sound_record(self.store, unit, key), columns)
            return (key.shard, split_round(unit)[1]), self.reviewed.left(table, key.shard)

        return prefetch(load, self.shards)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[FinishedRow]:
        """The rows with `id`, `shard`, `round`, `review` and these columns; None: all."""
        for (shard, round_), table in self.tables(columns):
            reviews = self.reviewed.by_shard.get(shard, {})
            for row in table.to_pylist():
                row["shard"], row["round"], row["review"] = shard, round_, reviews.get(row["id"])
                yield cast(FinishedRow, row)

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """The same, as columns."""
        return blocks(self._said(shard, table) for shard, table in self.tables(columns))

    def blocks_of_shards(self, columns: Sequence[str] | None = None) -> Iterator[tuple[tuple[int, int], Block]]:
        """((shard, round), some of its rows): blocks that hold rows of one shard each."""
        for shard, table in self.tables(columns):
            for block in blocks([self._said(shard, table)]):
                yield shard, block

    def _said(self, of: tuple[int, int], table: pa.Table) -> pa.Table:
        """The table, with where its rows are and what annotators said of them."""
        (shard, round_), reviews = of, self.reviewed.by_shard.get(of[0], {})
        said = pa.array([reviews.get(id_) for id_ in table["id"].to_pylist()] if reviews else pa.nulls(len(table)))
        numbers = ((name, np.full(len(table), n)) for name, n in (("shard", shard), ("round", round_)))
        for name, column in (*numbers, ("review", said.cast(pa.string()))):
            table = table.append_column(name, pa.array(column))
        return table

    def of(self, shards: Collection[int]) -> FinishedPart:
        """Those of the shards that have these numbers."""
        return replace(self, shards=tuple(pair for pair in self.shards if pair[1].shard in shards))

    def split(self) -> list[FinishedPart]:
        """The same shards in the same order, in parts that do not depend on who reads them."""
        parts = [self.shards[i : i + _PART] for i in range(0, len(self.shards), _PART)]
        return [FinishedPart(self.store, part, self.reviewed.of(key.shard for _, key in part)) for part in parts]


class Voice(TypedDict):
    """A voice of the pinned library, as far as an export needs it."""

    id: str
    role: Role
    gender: str
    parents: list[str]  # the real speakers whose blend it is
    nearest_speaker_cosine: float


def marked_speech(
    build_state: BuildState, shard: int, round_: int, ids: Iterable[str] | None = None
) -> dict[str, dict[str, bytes]]:
    """Dialogue id → name of the turn (`records.turn_names`) → marked speech as FLAC, of all that the round
    spoke in this shard, or of `ids` alone."""
    return {id_: speech_by_name(turns) for id_, turns in _spoken(build_state, shard, round_, ("audio",), ids)}


def _spoken(
    build_state: BuildState, shard: int, round_: int, parts: Sequence[str], ids: Iterable[str] | None = None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(dialogue id, its turns), as `marked_speech`: of each turn its role and these parts, where the shard has them."""
    marked = build_state.pipeline.unit_of(in_round(AUDIO, round_)).name
    columns = [f"turns.list.element.{name}" for name in ("role", *parts)]
    table = read_table(build_state.store, marked, build_state.record(marked, shard), columns)
    if ids is not None:
        table = table.filter(pc.is_in(table["id"], pa.array(ids, pa.string())))
    return zip(table["id"].to_pylist(), table["turns"].to_pylist(), strict=True)


def speech_by_name(turns: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Name of the turn → its `audio`, of a dialogue's turns."""
    names = turn_names(turn["role"] for turn in turns)
    return {name: turn["audio"] for name, turn in zip(names, turns, strict=True)}


class FinishedRows:
    """Kept rows of stage `gate` in every round, each dialogue once; in shard order, and within a shard round by round.
    They are read anew at each iteration. `reviewed`: what annotators said, which leaves dialogues out; None: all of
    them. Raises ConfigError where nothing is gated yet."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: ObjectStore,
        build_state: BuildState | None = None,
        reviewed: Reviewed | None = None,
    ) -> None:
        self.pipeline, self.store, self.build_state = pipeline, store, build_state or BuildState(pipeline, store)
        self.reviewed = reviewed or Reviewed()
        gates = pipeline.in_rounds(GATE)
        if not any(self.build_state.tally(gate)[State.DONE] for gate in gates):
            raise ConfigError(f"{store.url}: nothing is gated yet; run `kesc build` first")
        rounds = {gate: self.build_state.states(gate) for gate in gates}
        self.shards = tuple(  # (unit, key)
            (gate, states[shard].order.key)
            for shard in rounds[GATE]
            for gate, states in rounds.items()
            if shard in states and states[shard].state is State.DONE
        )
        through = Counter(key.shard for _, key in self.shards)
        held = Targets(pipeline, store).count(self.build_state).held_back(self.build_state)
        waiting = {shard for shard in rounds[GATE] if through[shard] < len(rounds)}
        self.missing = len(waiting - held.keys())  # those that a further build would add to
        self._shard_turns: tuple[tuple[int, int], dict[str, list[dict[str, Any]]]] | None = None

    def __iter__(self) -> Iterator[FinishedRow]:
        return self._whole().rows()

    def parts(self) -> list[FinishedPart]:
        """The same rows, in the same order, for readers of some columns and for several processes."""
        return self._whole().split()

    def _whole(self) -> FinishedPart:
        return FinishedPart(self.store, self.shards, self.reviewed)

    @property
    def content(self) -> str:
        """Changes when what the rows or their audio came from changes, or what annotators said of them."""
        keys = [f"{gate}/{key.stem}" for gate, key in self.shards]
        if self.reviewed != Reviewed():
            said = sorted((n, *pair) for n, by_id in self.reviewed.by_shard.items() for pair in by_id.items())
            keys.append(f"reviews {self.reviewed.accepted_only} {said}")
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()

    @property
    def content_of_shards(self) -> dict[str, str]:
        """The same by shard and round ("3/0"), whatever annotators said."""
        return {f"{key.shard}/{split_round(gate)[1]}": key.stem for gate, key in self.shards}

    def audio(self, row: FinishedRow) -> dict[str, bytes]:
        """Name of the turn → marked speech as FLAC, of the round that was kept. Reads a shard once for all its rows of
        a round."""
        return speech_by_name(self._turns(row))

    def tokens(self, row: FinishedRow) -> dict[str, SpeechTokens | None]:
        """Name of the turn → the speech tokens that its audio was made from; None where none were kept, as in a ROOT of
        before. Read with the audio."""
        turns = self._turns(row)
        names = turn_names(turn["role"] for turn in turns)
        return {name: SpeechTokens.of(turn.get("speech_tokens")) for name, turn in zip(names, turns, strict=True)}

    def _turns(self, row: FinishedRow) -> list[dict[str, Any]]:
        of = (row["shard"], row["round"])
        if self._shard_turns is None or self._shard_turns[0] != of:
            self._shard_turns = (of, dict(_spoken(self.build_state, *of, ("audio", "speech_tokens"))))
        return self._shard_turns[1][row["id"]]

    @cached_property
    def voices(self) -> list[Voice]:
        """The pinned voice library, in its order."""
        assert self.build_state.pin is not None
        record = read_sound_record(self.store, LIBRARY, self.build_state.pin.key)
        columns = [name for name in Voice.__annotations__ if name != "id"]
        return cast(list[Voice], read_table(self.store, LIBRARY, record, columns).to_pylist())
