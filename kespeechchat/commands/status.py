"""`kesc status`: what stands, from names and cached counts alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from kespeechchat.commands.rounds import rounds_of, rounds_table
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.dataset.tables import ended_line, made_line
from kespeechchat.display import columns, folded
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.counts_cache import CountsCache
from kespeechchat.state.target_hours import Targets, hours_line
from kespeechchat.store.commit import Counts
from kespeechchat.store.interface import ObjectStore

_JOINED = "\N{NO-BREAK SPACE}"  # a reason and its count stay on one line
_FOLDED = 6  # columns by which reasons that do not fit are further in than the stage's name


def status(
    pipeline: Pipeline,
    store: ObjectStore,
    build_state: BuildState | None = None,
    others: Iterable[Pipeline] = (),
) -> dict[str, Any]:
    """{"root", "target_hours", "stages": [{"name", "shards", "done", "pending", "stale", "failed", "rows_in", "kept",
    "rejected", "failed_rows"}], "rounds": see `rounds_of`}: rows are those of the shards that are done, hours those of
    gated dialogues; a stage with several ways to make a row has "made" too, kept rows by way. `others`: the same
    ROOT's other chains, whose stages follow."""
    build_state = build_state or BuildState(pipeline, store)

    @cache
    def rollup(unit: str) -> CountsCache:
        return CountsCache(store, unit)

    stages = [s for of in (build_state, *(BuildState(p, store) for p in others)) for s in _stages(of, rollup)]
    hours = Targets(pipeline, store).count(build_state).figures()
    return {"root": store.url, "target_hours": hours, "stages": stages, "rounds": rounds_of(build_state, rollup)}


def _stages(build_state: BuildState, rollup: Callable[[str], CountsCache]) -> list[dict[str, Any]]:
    stages = []
    for stage in build_state.pipeline.flow:
        unit = build_state.pipeline.unit_of(stage).name
        tally = build_state.tally(stage)
        done = (order.key for order in build_state.done(stage))
        total = sum((c[stage] for c in rollup(unit).counts(done).values() if stage in c), Counts())
        stages.append(
            {
                "name": stage,
                "shards": tally.total(),
                **{state.value: tally[state] for state in State},
                "rows_in": total.rows_in,
                "kept": total.kept,
                **({"made": total.made} if total.made else {}),
                **({"ended": total.ended} if total.ended else {}),
                "rejected": total.rejected,
                "failed_rows": total.failed,
            }
        )
    return stages


def render(found: dict[str, Any], width: int | None = None) -> str:
    """The status as a table for a reader. `width`: columns of the terminal, into which reasons are folded; None: a line
    for each stage."""
    head = ("stage", "shards", "done", "pending", "stale", "failed", "rows in", "kept", "rejected")
    lines = [head]
    for s in found["stages"]:
        reasons = [f"{reason}{_JOINED}{n}" for reason, n in sorted(s["rejected"].items(), key=lambda kv: -kv[1])]
        if s["failed_rows"]:
            reasons.append(f"FAILED{_JOINED}{s['failed_rows']}")
        numbers = [str(s[k]) for k in ("shards", "done", "pending", "stale", "failed", "rows_in", "kept")]
        lines.append((s["name"], *numbers, ", ".join(reasons)))
    rows = [folded(row, width, _FOLDED).replace(_JOINED, " ") for row in columns(lines, "<>>>>>>><")]
    made = [made_line(s) for s in found["stages"] if s.get("made")]
    made += [ended_line(s) for s in found["stages"] if s.get("ended")]
    targets = [f"target hours of {language}: {hours_line(f)}" for language, f in found["target_hours"].items()]
    rounds = ["", rounds_table(found["rounds"])] if found["rounds"] else []
    return "\n".join([f"root: {found['root']}", *rows, *(folded(line, width) for line in (*made, *targets)), *rounds])
