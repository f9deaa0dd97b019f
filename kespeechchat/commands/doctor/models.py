"""Each model of the profile: is it there, on every machine that needs it, and the same on all of them?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kespeechchat.commands.doctor.finding import Finding
from kespeechchat.commands.doctor.machines import Machine, Machines, resources_of
from kespeechchat.commands.doctor.uses import users_of
from kespeechchat.commands.models import ModelStatus, models, size_of
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import size
from kespeechchat.engines import EngineError
from kespeechchat.engines.models import identify


class ModelHere(NamedTuple):
    """A model on one machine: what is wrong with it (None: nothing), and what exactly it is."""

    problem: str | None
    identity: str | None


def check(pipeline: Pipeline, there: Machines) -> Iterator[Finding]:
    """A finding per model, and one for the disk space that the missing ones need."""
    missing: dict[str, ModelStatus] = {}
    seen = {machine: _seen(there, machine, pipeline) for machine in there.all}
    for model in models(pipeline):
        stages = users_of(pipeline, model.used_by)
        if not stages:
            continue
        needing = _needing(pipeline, there, stages)
        found = {
            machine.name: seen[machine].get(model.model, ModelHere("cannot be asked", None)) for machine in needing
        }
        finding = _finding(model, stages, found)
        missing |= {model.model: model} if any(problem for problem, _ in found.values()) else {}
        yield finding
    if missing:
        yield from _space(list(missing.values()))


def _needing(pipeline: Pipeline, there: Machines, stages: frozenset[str]) -> list[Machine]:
    """Machines that can hold an actor of one of the stages; where none can, all: models can be fetched meanwhile."""
    hosts = {m: None for stage in sorted(stages) for m in there.hosts(resources_of(pipeline, stage))}
    return list(hosts or there.all)


def _seen(there: Machines, machine: Machine, pipeline: Pipeline) -> dict[str, ModelHere]:
    try:
        found: dict[str, ModelHere] = there.on(machine, look_up, pipeline)
        return found
    except Exception as error:  # Ray's many kinds: the node is gone, the project cannot be imported there
        problem = str(error).strip().splitlines()[-1]
        return {m.model: ModelHere(problem, None) for m in models(pipeline)}


def look_up(pipeline: Pipeline) -> dict[str, ModelHere]:
    """Each model of the profile, by name, as it is on this machine."""
    found: dict[str, ModelHere] = {}
    for model in models(pipeline):
        problem, identity = model.problem, None
        try:
            identity = None if problem else identify(model.model)
        except EngineError as error:
            problem = str(error)
        found[model.model] = ModelHere(problem, identity)
    return found


def _finding(model: ModelStatus, stages: frozenset[str], found: dict[str, ModelHere]) -> Finding:
    check_ = f"model {model.model}"
    absent = {name: problem for name, (problem, _) in found.items() if problem}
    if absent:
        where = "is not here" if len(found) == 1 else f"is not on {', '.join(absent)}"
        used = f"{', '.join(model.used_by)} in {', '.join(sorted(stages))}"
        return Finding(False, check_, f"{where} ({used})", next(iter(absent.values())), stages)
    identities = {identity for _, identity in found.values()}
    if len(identities) > 1:
        message = "; ".join(f"{name}: {identity}" for name, (_, identity) in found.items())
        return Finding(False, check_, f"differs between machines: {message}", "copy one of them to all", stages)
    where = "" if len(found) == 1 else f" on {len(found)} machines"
    return Finding(True, check_, f"{', '.join(filter(None, identities))}{where}, {size_of(model)}")


def _space(missing: list[ModelStatus]) -> Iterator[Finding]:
    """Whether what must still be fetched fits the disk of the hub's cache."""
    needed = sum(m.size or 0.0 for m in missing if m.model.startswith("hub:"))
    if not needed:
        return
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = next(p for p in (Path(HF_HUB_CACHE), *Path(HF_HUB_CACHE).parents) if p.exists())
    needed, free = 1e9 * needed, shutil.disk_usage(folder).free
    message = f"{size(needed)} of hub models must be fetched (by the sizes in the profile), {size(free)} are free"
    yield Finding(
        free > needed,
        f"free space in {HF_HUB_CACHE}",
        message,
        "" if free > needed else "free some space, or set HF_HOME",
    )
