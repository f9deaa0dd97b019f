"""The flow: the stages in order, and what follows from their traits. Nothing here is listed by hand.

The order is that of the fields of `config.stages.Stages`. Whoever needs "the stage that speaks", "the gate" or "the
stages of the voice branch" takes it from here, so a new or renamed stage is found by its traits and not by a search for
its name. Round 0 only: `config.rounds` makes the names of later rounds.
"""

from __future__ import annotations

from collections.abc import Iterable

from kespeechchat.config.interleave import InterleaveStages
from kespeechchat.config.stage_base import StageSettings
from kespeechchat.config.stages import Stages
from kespeechchat.config.traits import Branch, InputBranch, Reads, Scope, Traits


def _traits() -> dict[str, Traits]:
    found = {}
    for name, info in {**Stages.model_fields, **InterleaveStages.model_fields}.items():
        settings = info.annotation
        assert isinstance(settings, type) and issubclass(settings, StageSettings)
        found[name] = settings.traits
    return found


def _only(stages: Iterable[str], what: str) -> str:
    """Raises ValueError where it is not exactly one: the flow has one stage of each of these kinds."""
    found = list(stages)
    if len(found) != 1:
        raise ValueError(f"config.stages: one stage must be {what}; these are: {', '.join(found) or 'none'}")
    return found[0]


def of_branch(branch: Branch) -> tuple[str, ...]:
    """The stages of a branch, in flow order."""
    return tuple(name for name, traits in TRAITS.items() if traits.branch == branch)


def branch_source(stage: str) -> Reads:
    """What begins the chain of shards that `stage` belongs to: the read from which its shards have their numbers.

    Its scope is PLAN (shards of one language), ALL (one shard) or SLICE (slices of one shard).
    """
    while (source := TRAITS[stage].source).scope is Scope.SHARD:
        stage = source.stage
    return source


def one_language(stage: str) -> bool:
    """Whether each shard of the stage is of one language."""
    return branch_source(stage).scope is Scope.PLAN


def input_branch(stage: str) -> InputBranch:
    """Whose rows `stage` works on in the end: `instructions` or `speech`."""
    while (source := TRAITS[stage].source).scope is not Scope.PLAN:
        stage = source.stage
    assert source.stage in ("instructions", "speech")
    return "instructions" if source.stage == "instructions" else "speech"


STAGES: tuple[str, ...] = tuple(Stages.model_fields)  # of round 0; a pipeline's own are `Pipeline.flow`
INTERLEAVE: tuple[str, ...] = tuple(InterleaveStages.model_fields)  # the chain of `kesc interleave`
TRAITS: dict[str, Traits] = _traits()
TEXT, VOICES, SPEECH = of_branch("text"), of_branch("voices"), of_branch("speech")
REPLACED_BY: dict[str, str] = {t.replaces: name for name, t in TRAITS.items() if t.replaces}  # whose audio → by which
SPEAKS: str = _only((name for name, t in TRAITS.items() if t.speaks), "the one that `speaks`")
GATE: str = SPEECH[-1]  # decides whether a dialogue is in the dataset
LIBRARY: str = _only({r.stage for t in TRAITS.values() for r in t.reads if r.scope is Scope.LIBRARY}, "the library")


def _final_audio() -> str:
    stage = SPEAKS
    while stage in REPLACED_BY:
        stage = REPLACED_BY[stage]
    return stage


AUDIO: str = _final_audio()  # the stage whose audio is the dataset's
