"""Which orders can run now, or why none can."""

from __future__ import annotations

from collections.abc import Sequence

from kespeechchat.config.units import Unit
from kespeechchat.display import counted
from kespeechchat.stages.base import Reads, Scope
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Closed, Order


def runnable_orders(
    build_state: BuildState, units: Sequence[Unit], failed: set[tuple[str, int]], closed: Closed
) -> list[list[Order]]:
    """Per shard, its orders through the units of one segment, from the first one that is not done.

    Left out are shards that `failed` in this build ((unit, shard): they wait for the next build), shards of what is
    `closed`, and shards whose inputs from before the segment are not committed.
    """
    chains: dict[int, list[Order]] = {}
    left_out: set[int] = set()
    for unit in units:
        for shard, state in build_state.states(unit.name).items():
            if (unit.name, shard) in failed or not _inputs_ready(build_state, state.order, units):
                left_out.add(shard)
            if state.state is State.DONE:
                continue
            if (unit.name, state.order.language) in closed:
                left_out.add(shard)
            if shard not in left_out:
                chains.setdefault(shard, []).append(state.order)
    return [chains[shard] for shard in sorted(chains)]


def _inputs_ready(build_state: BuildState, order: Order, units: Sequence[Unit]) -> bool:
    """Whether what the order reads from outside this segment is committed."""
    inside = {stage for unit in units for stage in unit}
    for given in order.inputs:
        if given.stage in inside:
            continue
        listing = build_state.listing(given.unit)
        if any(listing.generation(k.shard, k.fingerprint) != k.generation for k in given.keys):
            return False
    return True


def blocked(build_state: BuildState, units: Sequence[Unit]) -> str | None:
    """Why a segment cannot start: what is missing before it, and what to build first. None where it can."""
    for unit in units:
        if build_state.pin is None and any(r.scope is Scope.LIBRARY for s in unit for r in stage_class(s).reads()):
            return f"{unit.first} needs the voice library: build the stages up to voices first"
    first = stage_class(units[0].first)
    reasons = (_missing(build_state, first.name, reads) for reads in first.reads())
    return next((reason for reason in reasons if reason), None)


def _missing(build_state: BuildState, reader: str, reads: Reads) -> str | None:
    if reads.scope not in (Scope.ALL, Scope.SLICE, Scope.SHARD):
        return None
    states = build_state.states(reads.stage)
    missing = [n for n, s in states.items() if s.state is not State.DONE]
    if len(missing) == len(states):
        return f"{reader} reads {reads.stage}, and none of its shards is there: build {reads.stage} first"
    if missing and reads.scope is not Scope.SHARD and not build_state.partial:
        return (
            f"{reader} needs all of {reads.stage}, and of {counted(len(states), 'shard')} {len(missing):,} not done "
            f"({', '.join(f'{n:05d}' for n in missing[:5])}…): see `kesc errors`, or pass --allow-partial"
        )
    return None
