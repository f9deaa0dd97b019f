"""The class of each stage by name, and those of the rounds, which are made from them when they are first asked for."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

from kespeechchat.config.flow import GATE, SPEECH, TRAITS
from kespeechchat.config.rounds import in_round, split_round
from kespeechchat.stages.base import Stage


def _class_of(name: str) -> type[Stage[Any]]:
    """The class in `stages/NAME.py` whose `name` is NAME: one file a stage, so no list of them is kept."""
    module = import_module(f"kespeechchat.stages.{name}")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Stage) and value.__dict__.get("name") == name:
            return value
    raise LookupError(f"stages/{name}.py has no Stage with `name = {name!r}`")


class _StageClasses(dict[str, type[Stage[Any]]]):
    """By name. A class is imported when it is first asked for: a worker needs those of its unit, and the text stages
    read with a thousand patterns that a process of another kind would compile for nothing."""

    def __missing__(self, name: str) -> type[Stage[Any]]:
        if name not in TRAITS:
            raise KeyError(name)
        self[name] = _class_of(name)
        return self[name]


STAGE_CLASSES = _StageClasses()


def stage_class(name: str) -> type[Stage[Any]]:
    """The class of the stage `name`, of any round. Raises KeyError."""
    stage, round_ = split_round(name)
    return _again(STAGE_CLASSES[stage], round_) if round_ else STAGE_CLASSES[stage]


def stage_versions() -> dict[str, int]:
    """The version of each stage's code, rounds aside: they have their base's."""
    return {name: STAGE_CLASSES[name].version for name in TRAITS}


@cache
def _again(stage: type[Stage[Any]], round_: int) -> type[Stage[Any]]:
    """The same stage in a later round, as `class GateRound1(Gate)` with another `name`, `round` and `source`.

    It does what its base does, with its base's version and settings, and so has no file of its own; how many rounds
    there are is the profile's to say, so the class is made when a profile asks for it. It reads what its own round
    made. The first stage of a round reads what round 0's reads, without the rows that an earlier round's gate kept.
    """
    source = stage.source
    if source.stage in SPEECH:
        source = replace(source, stage=in_round(source.stage, round_))
    else:
        source = replace(source, without=tuple(in_round(GATE, k) for k in range(round_)))
    named = {"name": in_round(stage.name, round_), "round": round_, "source": source}
    return type(f"{stage.__name__}Round{round_}", (stage,), named)
