"""What of a plan can be run now: per shard, its orders through the units of a segment; or why none can."""

from __future__ import annotations

from kespeechchat.stages.base import Scope
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.build_state import Order, Plan, State
from kespeechchat.state.target_hours import Closed


def chains_of(
    plan: Plan, units: list[tuple[str, ...]], given_up: set[tuple[str, int]], closed: Closed
) -> list[list[Order]]:
    """Per shard, its orders from the first pending unit on. A shard that failed in this build waits for the next; one
    of what is `closed` for a higher target."""
    chains: dict[int, list[Order]] = {}
    dropped: set[int] = set()
    for unit in units:
        for shard, state in plan.states(unit[-1]).items():
            if (unit[-1], shard) in given_up or not _inputs_ready(plan, state.order, units):
                dropped.add(shard)
            if state.state is State.DONE:
                continue
            if (unit[-1], state.order.language) in closed:
                dropped.add(shard)
            if shard not in dropped:
                chains.setdefault(shard, []).append(state.order)
    return [chains[shard] for shard in sorted(chains)]


def _inputs_ready(plan: Plan, order: Order, units: list[tuple[str, ...]]) -> bool:
    """Whether what the order reads from outside this segment is committed."""
    inside = {stage for unit in units for stage in unit}
    for given in order.inputs:
        if given.stage in inside:
            continue
        listing = plan.listing(given.unit)
        if any(listing.generation(k.shard, k.fingerprint) != k.generation for k in given.keys):
            return False
    return True


def blocked(plan: Plan, units: list[tuple[str, ...]]) -> str | None:
    """Why a segment cannot start: what is missing before it."""
    first = stage_class(units[0][0])
    for unit in units:
        if plan.pin is None and any(r.scope is Scope.LIBRARY for s in unit for r in stage_class(s).reads()):
            return f"{unit[0]} needs the voice library: build the stages up to voices first"
    for reads in first.reads():
        if reads.scope not in (Scope.ALL, Scope.SLICE, Scope.SHARD):
            continue
        states = plan.states(reads.stage)
        missing = [n for n, s in states.items() if s.state is not State.DONE]
        if not states or len(missing) == len(states):
            return f"{first.name} reads {reads.stage}, and none of its shards is there: build {reads.stage} first"
        if missing and reads.scope is not Scope.SHARD and not plan.partial:
            return (
                f"{first.name} needs all of {reads.stage}, and {len(missing)} of {len(states)} shards are missing "
                f"({', '.join(f'{n:05d}' for n in missing[:5])}…): see `kesc errors`, or pass --allow-partial"
            )
    return None
