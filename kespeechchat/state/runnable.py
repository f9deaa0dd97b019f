"""What of a plan can be run now: per shard, its orders through the units of a segment; or why none can."""

from __future__ import annotations

from kespeechchat.config.units import Unit
from kespeechchat.stages.base import Scope
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Closed, Order


def runnable_orders(
    build_state: BuildState, units: list[Unit], given_up: set[tuple[str, int]], closed: Closed
) -> list[list[Order]]:
    """Per shard, its orders from the first pending unit on. A shard that failed in this build waits for the next; one
    of what is `closed` for a higher target."""
    chains: dict[int, list[Order]] = {}
    dropped: set[int] = set()
    for unit in units:
        for shard, state in build_state.states(unit.name).items():
            if (unit.name, shard) in given_up or not _inputs_ready(build_state, state.order, units):
                dropped.add(shard)
            if state.state is State.DONE:
                continue
            if (unit.name, state.order.language) in closed:
                dropped.add(shard)
            if shard not in dropped:
                chains.setdefault(shard, []).append(state.order)
    return [chains[shard] for shard in sorted(chains)]


def _inputs_ready(build_state: BuildState, order: Order, units: list[Unit]) -> bool:
    """Whether what the order reads from outside this segment is committed."""
    inside = {stage for unit in units for stage in unit}
    for given in order.inputs:
        if given.stage in inside:
            continue
        listing = build_state.listing(given.unit)
        if any(listing.generation(k.shard, k.fingerprint) != k.generation for k in given.keys):
            return False
    return True


def blocked(build_state: BuildState, units: list[Unit]) -> str | None:
    """Why a segment cannot start: what is missing before it."""
    first = stage_class(units[0].first)
    for unit in units:
        if build_state.pin is None and any(r.scope is Scope.LIBRARY for s in unit for r in stage_class(s).reads()):
            return f"{unit.first} needs the voice library: build the stages up to voices first"
    for reads in first.reads():
        if reads.scope not in (Scope.ALL, Scope.SLICE, Scope.SHARD):
            continue
        states = build_state.states(reads.stage)
        missing = [n for n, s in states.items() if s.state is not State.DONE]
        if not states or len(missing) == len(states):
            return f"{first.name} reads {reads.stage}, and none of its shards is there: build {reads.stage} first"
        if missing and reads.scope is not Scope.SHARD and not build_state.partial:
            return (
                f"{first.name} needs all of {reads.stage}, and {len(missing)} of {len(states)} shards are missing "
                f"({', '.join(f'{n:05d}' for n in missing[:5])}…): see `kesc errors`, or pass --allow-partial"
            )
    return None
