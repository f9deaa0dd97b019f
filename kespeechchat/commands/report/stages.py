"""How the rows flowed through the stages, why some left, and what work each unit took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from kespeechchat.commands.report.drawing import bars
from kespeechchat.commands.rows import schema_of
from kespeechchat.config.flow import SPEECH, TEXT
from kespeechchat.config.rounds import split_round
from kespeechchat.config.units import Unit
from kespeechchat.display import counted
from kespeechchat.records import KEPT
from kespeechchat.seeds import stable_hash
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.counts_cache import CountsCache
from kespeechchat.store.shards import read_sound_record, read_table

if TYPE_CHECKING:
    from markupsafe import Markup

_RECORDS = 400  # of one unit that are opened for its times
_SHARDS = 24  # of one stage that are opened for examples
_SHORT = 8  # characters by which a text is found in a detail
_EXAMPLES = 2  # of one reason
_TEXTS = ("question", "instruction", "transcript", "recording", "turns.list.element.text")  # the best first
_BRANCHES = {"text": "Text", "voices": "Voices", "speech": "Speech"}


@dataclass(frozen=True)
class Example:
    """A row that left: what it is recognized by, and why."""

    id: str
    text: str
    detail: str


@dataclass(frozen=True)
class Left:
    """Rows that left a stage for one reason."""

    reason: str
    rows: int
    share: float
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Step:
    """A stage: its rows, and those that left. `undone`: shards that are not there as the profile is now."""

    name: str
    rows_in: int
    kept: int
    failed: int
    left: tuple[Left, ...]
    made: Mapping[str, int]
    shards: int
    undone: int
    bar: Markup


@dataclass(frozen=True)
class Branch:
    """Stages of one branch, in order."""

    name: str
    steps: tuple[Step, ...]


def branch_of(stage: str) -> str:
    """`text`, `voices` or `speech`."""
    base = split_round(stage)[0]
    return "text" if base in TEXT else "speech" if base in SPEECH else "voices"


def branches(build_state: BuildState, found: Mapping[str, Any]) -> list[Branch]:
    """`found`: what `commands.status.status` gives."""
    parts: dict[str, list[Mapping[str, Any]]] = {name: [] for name in _BRANCHES}
    for stage in found["stages"]:
        parts[branch_of(stage["name"])].append(stage)
    widest = {name: max((s["rows_in"] for s in own), default=0) for name, own in parts.items()}
    return [
        Branch(_BRANCHES[name], tuple(_step(build_state, stage, widest[name]) for stage in own))
        for name, own in parts.items()
        if own
    ]


def _step(build_state: BuildState, stage: Mapping[str, Any], widest: int) -> Step:
    reasons = dict(sorted(stage["rejected"].items(), key=lambda kv: (-kv[1], kv[0])))
    examples = _examples(build_state, stage["name"], reasons) if reasons else {}
    out = stage["kept"] + sum(reasons.values()) + stage["failed_rows"]
    left = tuple(Left(why, n, n / max(out, 1), tuple(examples.get(why, ()))) for why, n in reasons.items())
    parts = [("kept", stage["kept"], "kept"), *((one.reason, one.rows, "left") for one in left)]
    parts.append(("failed", stage["failed_rows"], "failed"))
    told = f"{stage['name']}: {stage['kept']:,} of {counted(stage['rows_in'], 'row')} kept"
    return Step(
        name=stage["name"],
        rows_in=stage["rows_in"],
        kept=stage["kept"],
        failed=stage["failed_rows"],
        left=left,
        made=stage.get("made", {}),
        shards=stage["shards"],
        undone=stage["shards"] - stage["done"],
        bar=bars(parts, max(widest, out), told),
    )


def _examples(build_state: BuildState, stage: str, reasons: Mapping[str, int]) -> dict[str, list[Example]]:
    """Of each reason a few rows, from the first of the shards in the order of a hash."""
    unit = build_state.pipeline.unit_of(stage)
    names = schema_of(unit).names
    text = next(t for t in (*_TEXTS, "id") if t.partition(".")[0] in names)
    columns = ["stage", "reason", "detail", *([text] if text != "id" else [])]
    orders = sorted(build_state.done(stage), key=lambda order: stable_hash("report shard", order.key.shard))
    found: dict[str, list[Example]] = {reason: [] for reason in reasons}
    for order in orders[:_SHARDS]:
        if all(len(own) >= min(_EXAMPLES, reasons[reason]) for reason, own in found.items()):
            break
        record = build_state.standing_record(order)
        if not record.counts[stage].rejected:
            continue
        table = read_table(build_state.store, unit.name, record, columns, kept_only=False)
        table = table.filter(pc.and_(pc.equal(table["stage"], stage), pc.not_equal(table["status"], KEPT)))
        for row in table.to_pylist():
            own = found.get(row["reason"], [])
            if len(own) < _EXAMPLES and row["reason"] in found:
                said = _text(row, text)
                own.append(Example(row["id"], said, _without(row["detail"] or "", said)))
    return found


def _without(detail: str, text: str) -> str:
    """The detail without the beginning of the text that it ends with: the text is shown beside it.

    >>> _without("crime: How can I break", "How can I break into it?"), _without("empty", "")
    ('crime', 'empty')
    """
    at = detail.find(text[:_SHORT]) if text else -1
    return detail[:at].rstrip(": ") if at >= 0 and text.startswith(detail[at:]) else detail


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column.partition(".")[0])
    if isinstance(value, list):
        value = next((turn["text"] for turn in value), None)
    return str(value) if value and value != row["id"] else ""


@dataclass(frozen=True)
class Work:
    """What a unit's shards took: `seconds` of work of all processes together, `rows` that came in, `audio_seconds` of
    speech that came out. `opened` of `shards` records were read; the rest is estimated from them."""

    unit: str
    shards: int
    opened: int
    rows: int
    seconds: float
    audio_seconds: float
    cold: int
    hosts: int
    bar: Markup

    @property
    def estimated(self) -> bool:
        """Whether some records were not read."""
        return self.opened < self.shards

    @property
    def rows_per_second(self) -> float | None:
        """Of one process."""
        return self.rows / self.seconds if self.seconds else None


def work(build_state: BuildState, found: Mapping[str, Any]) -> list[Work]:
    """Of every unit that has a shard."""
    rows = {stage["name"]: stage["rows_in"] for stage in found["stages"]}
    measured = [(unit, *_records(build_state, unit)) for unit in build_state.pipeline.units]
    measured = [one for one in measured if one[1]]
    sums = {unit.name: sum(r.seconds for r in records) * n / len(records) for unit, records, n in measured}
    most = max(sums.values(), default=0.0)
    return [
        Work(
            unit=str(unit),
            shards=shards,
            opened=len(records),
            rows=rows[unit.first],
            seconds=sums[unit.name],
            audio_seconds=sum(r.audio_seconds for r in records) * shards / len(records),
            cold=sum(r.cold for r in records),
            hosts=len({r.host for r in records}),
            bar=bars([(str(unit), sums[unit.name], "work")], most, f"{unit}: {sums[unit.name]:,.0f} seconds"),
        )
        for unit, records, shards in measured
    ]


def _records(build_state: BuildState, unit: Unit) -> tuple[list[Any], int]:
    """Records of the unit's shards, evenly over them, and how many shards there are."""
    keys = [order.key for order in build_state.done(unit.name)]
    chosen = keys[:: max(1, -(-len(keys) // _RECORDS))]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda key: read_sound_record(build_state.store, unit.name, key), chosen)), len(keys)


def sizes(build_state: BuildState) -> dict[int, tuple[Any, int]]:
    """Shard of dialogues → its language, and the rows that were to be spoken."""
    first = next(u for u in build_state.pipeline.units if SPEECH[0] in u)
    done = build_state.done(first.name)
    counts = CountsCache(build_state.store, first.name).counts(order.key for order in done)
    return {order.key.shard: (order.language, counts[order.key][first.first].rows_in) for order in done}


@dataclass(frozen=True)
class Failure:
    """A shard or a row that failed, and its error."""

    where: str
    error: str


def failures(build_state: BuildState, most: int) -> Iterator[Failure]:
    """Failed shards and failed rows, in flow order, no more than `most`."""
    from itertools import islice

    yield from islice(_failures(build_state), most)


def _failures(build_state: BuildState) -> Iterator[Failure]:
    from kespeechchat.commands.errors import why_failed

    for unit in build_state.pipeline.units:
        states = build_state.states(unit.name)
        done = {n: s for n, s in states.items() if s.state is State.DONE}
        counts = CountsCache(build_state.store, unit.name).counts(s.order.key for s in done.values())
        for number, state in states.items():
            where = f"{unit.name} shard {number:05d}"
            if state.state is State.FAILED:
                yield Failure(where, why_failed(build_state, state.order))
            elif state.state is State.DONE and any(c.failed for c in counts[state.order.key].values()):
                record = build_state.standing_record(state.order)
                table = read_table(build_state.store, unit.name, record, ["stage", "detail"], kept_only=False)
                for row in table.filter(pc.equal(table["status"], "failed")).to_pylist():
                    yield Failure(f"{where}: {row['id']}", f"{row['stage']}: {row['detail']}")
