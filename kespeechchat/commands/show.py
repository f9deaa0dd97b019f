"""`kesc show ID`: one row through all stages: what each made of it, with which models, and where its audio is.

An input row keeps its shard from the first stage to the last, so the plan says where to look. The rows made of it bear
its id: `ID-v1` is its second variant. Speakers, candidates and voices are found in the few shards of their stages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.commands.rows import schema_of, without_audio_bytes
from kespeechchat.config.flow import AUDIO, TRAITS, of_branch, one_language
from kespeechchat.config.load import ConfigError
from kespeechchat.config.rounds import split_round
from kespeechchat.config.traits import Branch
from kespeechchat.config.units import Unit
from kespeechchat.display import counted
from kespeechchat.records import turn_names
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Order
from kespeechchat.store.audio import decode, write_wav
from kespeechchat.store.commit import CommitRecord
from kespeechchat.store.manifest import PlannedShard, planned_rows
from kespeechchat.store.parquet import parquet_table
from kespeechchat.store.shards import read_checked

_Places: TypeAlias = dict[str, tuple[str, PlannedShard] | None]  # id → branch and planned shard; None: of a library
_NAMED = 5  # ids that an ambiguous beginning is told with


@dataclass(frozen=True)
class Step:
    """What one unit made of the row: the row as its file holds it (without audio), `place` in `file`, and the engines
    of the shard's commit record."""

    unit: Unit
    round: int
    shard: int
    file: str
    place: int
    row: dict[str, Any]
    engines: dict[str, dict[str, str]]

    @property
    def stage(self) -> str:
        """The stage that settled the row."""
        stage: str = self.row["stage"]
        return stage


@dataclass(frozen=True)
class Shown:
    """A row's id as it is in ROOT, the row as it was planned (None: made by a stage), its other occurrences, and its
    way through the stages."""

    id: str
    planned: dict[str, Any] | None
    duplicates: tuple[str, ...]
    steps: tuple[Step, ...]


def show_any(build_states: Iterable[BuildState], id_: str) -> tuple[BuildState, Shown]:
    """As `show`, in the first of a ROOT's chains that has such an id, and which one that is."""
    *first, last = build_states
    for build_state in first:
        if found := _places(build_state, id_):
            return build_state, _shown(build_state, id_, found)
    return last, show(last, id_)


def show(build_state: BuildState, id_: str) -> Shown:
    """The row of this id, or of the one id that begins so. Raises ConfigError where there is none or several."""
    return _shown(build_state, id_, _places(build_state, id_))


def _places(build_state: BuildState, id_: str) -> _Places:
    return _planned(build_state, id_) or _made(build_state, id_)


def _shown(build_state: BuildState, id_: str, found: _Places) -> Shown:
    ids = sorted(found)
    if id_ in found:
        ids = [id_]
    if not ids:
        raise ConfigError(f"{id_}: no row has this id, and no id begins with it; `kesc rows --stage ingest` lists ids")
    if len(ids) > 1:
        more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
        raise ConfigError(
            f"{id_}: {counted(len(ids), 'id')} begin with it: {', '.join(ids[:_NAMED])}{more}; write one of them"
        )
    whole, at = ids[0], found[ids[0]]
    if at is None:
        return Shown(whole, None, (), tuple(_steps_of_library(build_state, whole)))
    branch, planned = at
    wanted = id_ if id_.startswith(f"{whole}-v") else whole
    row = _planned_row(build_state, planned, whole)
    others = tuple(i for i in _duplicates(build_state, branch, whole) if i != whole)
    return Shown(wanted, row, others, tuple(_steps(build_state, branch, planned.number, wanted)))


def _planned(build_state: BuildState, id_: str) -> _Places:
    """Planned ids that `id_` is, begins, or names a variant of → where they are."""
    found: _Places = {}
    for branch, shard, ids in _planned_ids(build_state):
        found |= {i: (branch, shard) for i in ids if i.startswith(id_) or id_.startswith(f"{i}-v")}
    exact = {i: at for i, at in found.items() if id_ == i or id_.startswith(f"{i}-v")}
    return exact or found


def _planned_ids(build_state: BuildState) -> Iterator[tuple[str, PlannedShard, list[str]]]:
    for branch, manifest in build_state.manifests.items():
        for shard in manifest.shards:
            yield branch, shard, planned_rows(build_state.store, shard, ["id"])["id"].to_pylist()


def _duplicates(build_state: BuildState, branch: str, id_: str) -> list[str]:
    first = id_.rpartition("-d")[0] if id_.rpartition("-d")[2].isdigit() else id_
    return [
        i
        for of, _, ids in _planned_ids(build_state)
        if of == branch
        for i in ids
        if i == first or (i.startswith(f"{first}-d") and i[len(first) + 2 :].isdigit())
    ]


def _planned_row(build_state: BuildState, shard: PlannedShard, id_: str) -> dict[str, Any]:
    table = planned_rows(build_state.store, shard)
    row: dict[str, Any] = table.filter(pc.equal(table["id"], id_)).to_pylist()[0]
    return {**row, "language": shard.language, "shard": shard.number}


def _made(build_state: BuildState, id_: str) -> _Places:
    """Ids that begin so among speakers, candidates and voices."""
    found: _Places = {}
    for unit in _library_units(build_state):
        for order in build_state.done(unit.name):
            table, _ = _table(build_state, unit, order, ["stage"])
            found |= {i: None for i in table["id"].to_pylist() if i.startswith(id_)}
    return found


def _library_units(build_state: BuildState) -> list[Unit]:
    return [u for u in build_state.pipeline.units if u.name in TRAITS and not one_language(u.name)]


def _steps(build_state: BuildState, branch: str, shard: int, id_: str) -> Iterator[Step]:
    """The rows of the id, of what it was made of, and of what was made of it, in all units of its branch."""
    branches: Mapping[str, tuple[Branch, ...]] = {"speech": ("voices",), "documents": ("interleave",)}
    stages = [stage for one in branches.get(branch, ("text", "speech")) for stage in of_branch(one)]
    for unit in build_state.pipeline.units:
        if split_round(unit.name)[0] in stages and one_language(split_round(unit.name)[0]):
            state = build_state.states(unit.name).get(shard)
            if state is not None and state.state is State.DONE:
                yield from _found(build_state, unit, state.order, lambda i: _kin(i, id_))


def _kin(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}-v") or other.startswith(f"{one}-v")


def _steps_of_library(build_state: BuildState, id_: str) -> Iterator[Step]:
    for unit in _library_units(build_state):
        for order in build_state.done(unit.name):
            yield from _found(build_state, unit, order, lambda i: i == id_)


def _found(build_state: BuildState, unit: Unit, order: Order, wanted: Callable[[str], bool]) -> Iterator[Step]:
    table, record = _table(build_state, unit, order, without_audio_bytes(schema_of(unit)))
    places = [n for n, i in enumerate(table["id"].to_pylist()) if wanted(i)]
    for place, row in zip(places, table.take(pa.array(places, pa.int64())).to_pylist(), strict=True):
        assert record.file is not None
        round_ = split_round(unit.name)[1]
        yield Step(unit, round_, order.key.shard, record.file, place, row, record.engines)


def _table(build_state: BuildState, unit: Unit, order: Order, columns: Sequence[str]) -> tuple[pa.Table, CommitRecord]:
    record = build_state.standing_record(order)
    data = read_checked(build_state.store, unit.name, record)
    return parquet_table(data, ["id", "status", *columns]), record


def write_audio(build_state: BuildState, shown: Shown, folder: Path) -> list[Path]:
    """Writes the speech of the row into `folder` as 16-bit WAV: `ID.TURN.wav` (user, agent, user2, …) as it is in the
    dataset, `ID.r1.TURN.wav` of round 1, `ID.clip.wav` of a clip that was synthesized. Returns the files. Raises
    OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for step in shown.steps:
        for name, data in _sounds(build_state, step):
            path = folder / f"{step.row['id']}{f'.r{step.round}' if step.round else ''}.{name}.wav"
            write_wav(path, decode(data))
            written.append(path)
    return written


def _sounds(build_state: BuildState, step: Step) -> Iterator[tuple[str, bytes]]:
    """(what it is, FLAC) of the audio that the step's file holds of its row."""
    schema = schema_of(step.unit)
    names = [name for name in ("audio", "turns") if name in schema.names]
    if not names or (split_round(step.unit.name)[0] != AUDIO and "turns" in names):
        return
    row = parquet_table(build_state.store.get(step.file), names).slice(step.place, 1).to_pylist()[0]
    if row.get("audio"):
        yield "clip", row["audio"]
    turns = row.get("turns") or ()
    for name, turn in zip(turn_names(turn["role"] for turn in turns), turns, strict=True):
        if turn["audio"]:
            yield name, turn["audio"]
