"""Whether anything can still come of a build: no stage after one that kept no row has anything to work on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from kespeechchat.config.flow import GATE, TRAITS
from kespeechchat.config.rounds import REPEATED, split_round
from kespeechchat.config.units import Unit
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.counts_cache import CountsCache, StageCounts
from kespeechchat.store.commit import Counts

_AT_ONCE = 64  # shards whose counts are looked at before it is asked whether they kept anything
_NAMED = 5  # reasons

BuiltCounts = Mapping[str, Mapping[str, StageCounts]]  # unit → record's stem → counts


def nothing_left(build_state: BuildState, units: Sequence[Unit], built: BuiltCounts) -> str | None:
    """Why nothing can come of the build after these units, with the commonest reasons; None where rows are left, or
    where shards are still missing. `built`: counts that are known without opening their records."""
    for stage in chain.from_iterable(units):
        decides = _deciding(build_state, stage)
        if decides and all(build_state.complete(s) for s in decides) and not _any_kept(build_state, decides, built):
            return f"{_said(stage)}: {_reasons(build_state, stage, built)}"
    return None


def _deciding(build_state: BuildState, stage: str) -> tuple[str, ...]:
    """The stages that have lost everything if none of them keeps a row. A stage of speech alone loses nothing for good:
    the gates do, once the last round is over."""
    if split_round(stage)[0] not in REPEATED:
        return (stage,)
    gates = build_state.pipeline.in_rounds(GATE)
    return gates if stage == gates[-1] else ()


def _said(stage: str) -> str:
    if split_round(stage)[0] == GATE:
        return "no dialogue passed the gate"
    if TRAITS[stage].branch == "interleave":
        return f"stage {stage} kept no document, so there is nothing to interleave"
    if TRAITS[stage].branch == "text":
        return f"stage {stage} kept no row, so there is nothing to speak"
    return f"stage {stage} kept no row, so there are no voices to speak with"


def _any_kept(build_state: BuildState, stages: Iterable[str], built: BuiltCounts) -> bool:
    return any(counts.kept for stage in stages for counts in _counts(build_state, stage, built))


def _counts(build_state: BuildState, stage: str, built: BuiltCounts) -> Iterable[Counts]:
    """Of the stage's shards, which are opened a few at a time."""
    unit = build_state.pipeline.unit_of(stage).name
    cache = CountsCache(build_state.store, unit)
    cache.learn(built.get(unit, {}))
    states = list(build_state.states(stage).values())
    for start in range(0, len(states), _AT_ONCE):
        found = cache.counts(state.order.key for state in states[start : start + _AT_ONCE])
        yield from (counts[stage] for counts in found.values() if stage in counts)


def _reasons(build_state: BuildState, stage: str, built: BuiltCounts) -> str:
    """The commonest reasons of rejection in the stages of its branch up to `stage`, the commonest first."""
    flow = build_state.pipeline.flow
    branch = TRAITS[split_round(stage)[0]].branch
    before = [s for s in flow[: flow.index(stage) + 1] if TRAITS[split_round(s)[0]].branch == branch]
    found = []
    for name in before:
        total = sum(_counts(build_state, name, built), Counts())
        found += [(rows, f"{name} rejected {rows:,} as {reason}") for reason, rows in total.rejected.items()]
        found += [(total.failed, f"{name} failed on {total.failed:,}")] if total.failed else []
    named = [text for _, text in sorted(found, key=lambda one: -one[0])[:_NAMED]]
    return f"{', '.join(named) or 'it got none'}; `kesc rows` lists a stage's rows with their reasons"
