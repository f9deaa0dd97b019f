"""Which units may overlap, and whose audio replaces whose."""

from __future__ import annotations

from kespeechchat.config.flow import REPLACED_BY
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import in_round, split_round
from kespeechchat.config.units import Unit
from kespeechchat.stages.base import Scope
from kespeechchat.stages.flow import stage_class


def segments(pipeline: Pipeline) -> list[list[Unit]]:
    """The units in groups that may run overlapped: each phase, cut before and after every reduce stage and before
    every round of speech. A round's actors thus start when those of the round before are gone, and share no GPU with
    them."""
    groups: list[list[Unit]] = []
    for units in pipeline.units_by_phase:
        starts_group = True
        for unit in units:
            source = stage_class(unit.first).source
            if starts_group or source.without or source.scope in (Scope.ALL, Scope.SLICE, Scope.PLAN):
                groups.append([])
            groups[-1].append(unit)
            starts_group = source.scope is Scope.ALL
    return groups


def replaced_by(stage: str) -> str | None:
    """The stage whose audio takes the place of this stage's, once it is committed; None where no stage's does."""
    base, round_ = split_round(stage)
    return in_round(REPLACED_BY[base], round_) if base in REPLACED_BY else None
