"""What the index holds of a shard: a line for each take (a dialogue in one round of speech) and each refused row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.commands.rows import schema_of, without_audio_bytes
from kespeechchat.config.flow import GATE, of_branch, one_language
from kespeechchat.config.rounds import split_round
from kespeechchat.config.units import Unit
from kespeechchat.records import KEPT
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Order
from kespeechchat.store.commit import CommitRecord
from kespeechchat.store.ranged import read_columns
from kespeechchat.store.shards import read_table

_TEXTS = ("question", "instruction")  # what a row without turns is recognized by, the best first
_PLAIN = ("stage", "reason", "detail", "language", "split", "error_rate", "seconds", *_TEXTS)
_OF_TURN = ("voice", "text", "transcript", "error_rate")
PLACES = 1 << 20  # rows that a shard can have
_UNITS = 1 << 8


@dataclass(frozen=True)
class Shard:
    """A committed shard, and the order that made it. `rank`: the place of its unit in the flow."""

    unit: Unit
    rank: int
    order: Order

    @property
    def number(self) -> int:
        """Of the shard in its unit."""
        return self.order.key.shard

    @property
    def first(self) -> int:
        """The number of its first row in the index: the same on every machine, so that a page's address is too."""
        return (self.number * _UNITS + self.rank) * PLACES


@dataclass(frozen=True)
class Take:
    """One line of the index. `said`: two lines a turn, what is said and what was heard of it.
    `scores`: by head, the lowest one of the turns. Rates are shares of 1, those of a role are of its first turn."""

    n: int
    shard: int
    round: int
    id: str
    status: str
    stage: str
    reason: str | None
    detail: str | None
    language: str | None
    split: str | None
    error_rate: float | None
    seconds: float | None
    user_voice: str | None
    agent_voice: str | None
    user_error: float | None
    agent_error: float | None
    said: str
    scores: dict[str, float] = field(default_factory=dict)


def shards_of(build_state: BuildState) -> Iterator[Shard]:
    """The done shards of text and speech, shard by shard of each unit. Raises CorruptShard."""
    wanted = {*of_branch("text"), *of_branch("speech")}
    for rank, unit in enumerate(build_state.pipeline.units):
        stage = split_round(unit.name)[0]
        if stage in wanted and one_language(stage):
            for state in build_state.states(unit.name).values():
                if state.state is State.DONE:
                    yield Shard(unit, rank, state.order)


def takes_of(build_state: BuildState, shard: Shard) -> list[Take]:
    """Of the gate: every row. Of the units before it: the rows that they refused or failed at. Raises CorruptShard."""
    record = build_state.standing_record(shard.order)
    stage, round_ = split_round(shard.unit.name)
    if stage != GATE and not any(counts.rejected or counts.failed for counts in record.counts.values()):
        return []
    table = _table(build_state, shard, record)
    places = pa.array(range(len(table)), pa.int64())
    if stage != GATE:
        chosen = pc.not_equal(table["status"], KEPT)
        table, places = table.filter(chosen), places.filter(chosen)
    return list(_takes(table, places.to_pylist(), shard, round_))


def _table(build_state: BuildState, shard: Shard, record: CommitRecord) -> pa.Table:
    """The columns that the index needs. A file with audio is not read as a whole, so its checksum is not checked."""
    schema = schema_of(shard.unit)
    wanted = [*_PLAIN, *(f"turns.list.element.{name}" for name in (*_OF_TURN, "scores"))]
    there = without_audio_bytes(schema)
    columns = [name for name in there if name in wanted]
    if "turns" in schema.names and "audio" in {f.name for f in schema.field("turns").type.value_type}:
        return read_columns(build_state.store, record, ["id", "status", *columns])
    return read_table(build_state.store, shard.unit.name, record, columns, kept_only=False)


def _takes(table: pa.Table, places: list[int], shard: Shard, round_: int) -> Iterator[Take]:
    plain = {name: table[name].to_pylist() for name in table.column_names if name != "turns"}
    turns = _turns(table)

    def value(name: str, k: int) -> Any:
        return plain[name][k] if name in plain else None

    for k, place in enumerate(places):
        if place >= PLACES:
            raise ValueError(f"{shard.unit.name} shard {shard.number:05d}: over {PLACES:,} rows; the index holds fewer")
        spoken = turns[k]
        text = next((t for name in _TEXTS if (t := value(name, k))), "")
        said = [_line(turn.get(name)) for turn in spoken for name in ("text", "transcript")] or [_line(text)]
        scores: dict[str, float] = {}
        for turn in spoken:
            for score in turn.get("scores") or ():
                if score["value"] is not None:
                    scores[score["head"]] = min(score["value"], scores.get(score["head"], score["value"]))
        voices, errors = ([*(t.get(name) for t in spoken[:2]), None, None] for name in ("voice", "error_rate"))
        yield Take(
            n=shard.first + place,
            shard=shard.number,
            round=round_,
            id=plain["id"][k],
            status=plain["status"][k],
            stage=plain["stage"][k],
            reason=value("reason", k),
            detail=value("detail", k),
            language=value("language", k) or shard.order.language,
            split=value("split", k),
            error_rate=value("error_rate", k),
            seconds=value("seconds", k),
            user_voice=voices[0],
            agent_voice=voices[1],
            user_error=errors[0],
            agent_error=errors[1],
            said="\n".join(said),
            scores=scores,
        )


def _turns(table: pa.Table) -> list[list[dict[str, Any]]]:
    """The turns of each row. Column by column: a list of dictionaries of each row's own takes three times as long."""
    if "turns" not in table.column_names:
        return [[] for _ in range(len(table))]
    whole = table["turns"].combine_chunks()
    flat = whole.flatten()
    names = [f.name for f in flat.type]
    columns = [flat.field(name).to_pylist() for name in names]
    each = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    ends = [0]
    for length in pc.fill_null(pc.list_value_length(whole), 0).to_pylist():
        ends.append(ends[-1] + length)
    return [each[start:end] for start, end in pairwise(ends)]


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
