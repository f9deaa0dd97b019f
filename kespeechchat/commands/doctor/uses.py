"""Which stage uses which engine, model and library."""

from __future__ import annotations

from kespeechchat.config.flow import INTERLEAVE, STAGES
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.config.units import Unit
from kespeechchat.engines import registry
from kespeechchat.state.profile_models import engines_of


def stages_of(pipeline: Pipeline) -> tuple[str, ...]:
    """The stages of `kesc build`, and those of `kesc interleave` where the profile has them."""
    return (*STAGES, *(INTERLEAVE if pipeline.interleave else ()))


def units_of(pipeline: Pipeline) -> tuple[Unit, ...]:
    """Their units."""
    return (*pipeline.units, *([Unit(INTERLEAVE)] if pipeline.interleave else []))


def as_in_round_0(pipeline: Pipeline, unit: Unit) -> bool:
    """Whether the unit is of a later round of speech and runs as its base does: there is nothing more to ask."""
    return split_round(unit.first)[1] > 0 and not set(unit) & set(pipeline.resources)


def users_of(pipeline: Pipeline, engines: tuple[str, ...]) -> frozenset[str]:
    """Stages that use any of `engines` (CAPABILITY:NAME)."""
    return frozenset(stage for stage in stages_of(pipeline) if set(engines) & set(engines_of(pipeline, stage)))


def libraries_of(pipeline: Pipeline, unit: Unit) -> list[str]:
    """Modules that the engines of the unit's stages import, each once."""
    found = [m for stage in unit for s in engines_of(pipeline, stage).values() for m in registry.libraries_of(s)]
    return list(dict.fromkeys(found))
