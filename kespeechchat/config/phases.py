"""Phases: which stages run overlapped, and which of them one actor runs fused. What cannot run is refused here."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pydantic import Field, field_validator

from kespeechchat.config.base import Settings
from kespeechchat.config.flow import AUDIO, STAGES, TRAITS
from kespeechchat.config.traits import Scope
from kespeechchat.config.units import Unit


class Phase(Settings):
    """Stages that run overlapped. A list inside the list is fused: one actor, only the last output is published."""

    name: str = Field(description="for the reader")
    stages: tuple[str | tuple[str, ...], ...] = Field(
        min_length=1, description="stages in flow order; a list inside the list is fused"
    )

    @field_validator("stages")
    @classmethod
    def _can_run(cls, stages: tuple[str | tuple[str, ...], ...]) -> tuple[str | tuple[str, ...], ...]:
        for unit in map(_unit, stages):
            if problem := _unknown(unit) or _fused(unit):
                raise ValueError(problem)
        return stages

    @property
    def units(self) -> list[Unit]:
        """As the profile names them: of round 0."""
        return [_unit(stages) for stages in self.stages]


def check_order(phases: Sequence[Phase]) -> None:
    """Raises ValueError unless the phases name each stage once, in the order of the flow."""
    named = [stage for phase in phases for unit in phase.units for stage in unit]
    if twice := [stage for stage, count in Counter(named).items() if count > 1]:
        raise ValueError(
            f"{twice[0]!r} is named {named.count(twice[0])} times; leave it where it is in this order: {_flow()}"
        )
    if missing := [stage for stage in STAGES if stage not in named]:
        place = STAGES.index(missing[0])
        where = f"behind {STAGES[place - 1]!r}" if place else "first"
        raise ValueError(f"{missing[0]!r} is missing; every stage is in a phase: put it {where}")
    if named != list(STAGES):
        raise ValueError(f"the stages must be, in this order, {_flow()}; got {', '.join(named)}")


def _flow() -> str:
    return ", ".join(STAGES)


def _unit(stages: str | Sequence[str]) -> Unit:
    return Unit.of(stages) if isinstance(stages, str) else Unit(tuple(stages))


def _unknown(unit: Unit) -> str | None:
    """Of a unit without stages, or with one that is none."""
    if not unit.stages:
        return "an empty list fuses nothing; remove it"
    for stage in unit:
        if stage not in STAGES:
            near = difflib.get_close_matches(stage, STAGES, n=1)
            return f"there is no stage {stage!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are {_flow()}")
    return None


def _fused(unit: Unit) -> str | None:
    """Why the unit's stages cannot be fused, and what to write instead.

    A unit has one shard at a time: what a stage hands to the next stays in memory. So a stage that reads all shards
    stands alone; each other reads the one before it, shard by shard; and what is read from outside is published.
    """
    text = f"[{', '.join(unit)}]"
    for stage in unit.stages if len(unit.stages) > 1 else ():
        if TRAITS[stage].reduces:
            reads = TRAITS[stage].source.stage
            apart = ", ".join(unit)
            return f"{text}: {stage} reads all shards of {reads} at once, so it cannot be fused; write {apart}"
    for before, stage in pairwise(unit):
        source = TRAITS[stage].source
        if source.stage != before or source.scope is not Scope.SHARD:
            how = f"{source.scope.value} ({source.stage})"
            return f"{text}: {stage} does not read {before} shard by shard but {how}; take {stage} out of the list"
    for position, stage in enumerate(unit.stages[:-1]):
        if reader := next(_outside_readers(stage, unit), None):
            ends, rest = unit.stages[: position + 1], ", ".join(unit.stages[position + 1 :])
            first = f"[{', '.join(ends)}]" if len(ends) > 1 else stage
            return f"{text} would publish {unit.name} alone, but {reader} reads {stage}; write {first}, {rest}"
    return None


def _outside_readers(stage: str, unit: Unit) -> Iterator[str]:
    """Who reads the stage's output from outside the unit, and so needs it in ROOT."""
    if stage == AUDIO:
        yield "the export"
    for reader, traits in TRAITS.items():
        if reader not in unit and any(reads.stage == stage for reads in traits.reads):
            yield reader
