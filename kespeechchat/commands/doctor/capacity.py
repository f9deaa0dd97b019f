"""Do the machines hold what runs at once: every stage of a segment with its fewest actors? And do the engines' own
settings fit what their actors get?

A pool of Ray Data keeps at least `min_actors` alive for as long as its segment runs, so together they must fit; an
actor's GPUs and CPUs must lie on one machine. Actors are put on machines by first fit, the largest first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kespeechchat.commands.doctor.finding import Finding
from kespeechchat.commands.doctor.machines import Machines, resources_of, takes
from kespeechchat.commands.doctor.uses import as_in_round_0, stages_of
from kespeechchat.config.base import Settings
from kespeechchat.config.cosyvoice_engines import CosyVoiceModelSettings, CosyVoiceSettings
from kespeechchat.config.flow import INTERLEAVE
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.resources import Resources
from kespeechchat.config.units import Unit
from kespeechchat.display import counted
from kespeechchat.state.profile_models import engines_of
from kespeechchat.state.segments import segments


def check(pipeline: Pipeline, there: Machines) -> Iterator[Finding]:
    """A finding per segment of stages that run at once, and one per engine that wants a GPU it does not get, or whose
    use of a GPU's memory is not known."""
    yield from _devices(pipeline)
    yield from _batches(pipeline)
    if there.inline:
        yield Finding(True, "machines", "not checked: with --inline one process does everything")
        return
    alone = [[Unit(INTERLEAVE)]] if pipeline.interleave else []
    for segment in [*segments(pipeline), *alone]:
        if not all(as_in_round_0(pipeline, unit) for unit in segment):
            yield _fits(pipeline, segment, there)


# --- what runs at once


def _fits(pipeline: Pipeline, segment: Sequence[Unit], there: Machines) -> Finding:
    """Whether the fewest actors of the segment's pools find room at once."""
    name = f"machines for {', '.join(str(unit) for unit in segment)}"
    pools = {str(unit): resources_of(pipeline, unit.first) for unit in segment}
    free = [dict(machine.has) for machine in there.all]
    actors = [(unit, takes(r)) for unit, r in pools.items() for _ in range(r.min_actors)]
    for unit, wanted in sorted(actors, key=lambda actor: _weight(actor[1]), reverse=True):
        place = next((m for m in free if all(m.get(k, 0.0) >= a for k, a in wanted.items())), None)
        if place is None:
            return _lacking(pipeline, name, unit, pools, there)
        for kind, amount in wanted.items():
            place[kind] -= amount
    needs = _amounts(_sum(wanted for _, wanted in actors))
    return Finding(True, name, f"need {needs} at once; there are {_offered(there)}")


def _lacking(pipeline: Pipeline, name: str, unit: str, pools: dict[str, Resources], there: Machines) -> Finding:
    """That one actor of `unit` finds no room: on no machine at all, or beside the others."""
    needs = _sum(takes(r) for r in pools.values() for _ in range(r.min_actors))
    message = f"need {_amounts(needs)} at once; there are {_offered(there)}; no room for {unit}: "
    message += f"one actor takes {_amounts(takes(pools[unit]))} of one machine"
    stages = unit.split("+")
    if not there.hosts(pools[unit]):
        fix = f"add a machine that has as much, or lower resources.{stages[0]} in the profile"
        return Finding(False, name, message, fix, frozenset(stages))
    fix = f"lower min_actors, add machines, or make {stages[-1]} a phase of its own in `phases`"
    return Finding(False, name, message, fix)


def _weight(wanted: dict[str, float]) -> tuple[float, float, float]:
    other = sum(amount for kind, amount in wanted.items() if kind not in ("CPU", "GPU"))
    return wanted.get("GPU", 0.0), other, wanted.get("CPU", 0.0)


def _sum(bundles: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for bundle in bundles:
        for kind, amount in bundle.items():
            total[kind] = total.get(kind, 0.0) + amount
    return total


def _amounts(bundle: dict[str, float]) -> str:
    names: dict[str, str] = {"CPU": "CPUs", "GPU": "GPUs"}
    known: dict[str, float] = {k: bundle[k] for k in ("GPU", "CPU") if k in bundle}
    known |= {k: v for k, v in bundle.items() if k not in ("memory", "object_store_memory") and k not in known}
    return ", ".join(f"{amount:g} {names.get(kind, kind)}" for kind, amount in known.items()) or "nothing"


def _offered(there: Machines) -> str:
    has = _sum(m.has for m in there.all)
    has = {k: v for k, v in has.items() if not k.startswith(("node:", "accelerator_type"))}
    return f"{_amounts({'GPU': 0.0, **has})} on {counted(len(there.all), 'machine')}"


# --- what the engines' settings ask for


def _devices(pipeline: Pipeline) -> Iterator[Finding]:
    """Engines whose settings ask for a GPU, in stages whose actors get none or too few."""
    for stage in stages_of(pipeline):
        given = resources_of(pipeline, stage).num_gpus
        for name, settings in engines_of(pipeline, stage).items():
            for wanted, why in _gpus(settings):
                if wanted > math.ceil(given):  # a share of a GPU is enough for an engine that wants one
                    first = pipeline.unit_of(stage).first
                    message = f"{name} says {why}, but an actor of {stage} gets {given:g} GPUs"
                    fix = f"resources.{first}.num_gpus: {wanted}, or change the engine"
                    yield Finding(False, f"GPUs of {stage}", message, fix, frozenset({stage}))


def _batches(pipeline: Pipeline) -> Iterator[Finding]:
    """A hint where CosyVoice speaks in batches on a GPU: what that takes is known by arithmetic alone, and a few trial
    rows do not fill a batch."""
    for stage in stages_of(pipeline):
        for name, settings in engines_of(pipeline, stage).items():
            if isinstance(settings, CosyVoiceModelSettings) and settings.batch > 1 and settings.device != "cpu":
                frames = f", flow_frames: {settings.flow_frames}" if isinstance(settings, CosyVoiceSettings) else ""
                message = (
                    f"{name} has batch: {settings.batch}{frames}; no GPU has run these yet, and the trial rows do not "
                    "fill them: docs/cosyvoice.md has what they take, and what to lower where memory runs out"
                )
                yield Finding(True, f"GPU memory of {stage}", message)


def _gpus(settings: Settings) -> Iterator[tuple[int, str]]:
    """(GPUs, the setting that asks for them) of an engine and those inside it."""
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        if field == "device" and value == "cuda":
            yield 1, "device: cuda"
        if field == "tensor_parallel_size" and value > 1:
            yield value, f"tensor_parallel_size: {value}"
        for nested in value if isinstance(value, tuple) else (value,):
            if isinstance(nested, Settings):
                yield from _gpus(nested)
