"""`kesc doctor`: what can be found out before a long build, with a fix for each problem.

Checks ROOT and its free space, the inputs, the machines against what the phases ask for, each stage's environment and
each model. Then a few rows of each language go through every stage, each unit in a process of its own with the unit's
resources and environment. Later checks run even where earlier ones failed; the trial leaves out what they found broken.
The chain of `kesc interleave` is looked at in the same way, where the profile has it. Nothing of it is written to ROOT.
"""

from __future__ import annotations

from collections.abc import Iterator

from kespeechchat.commands.doctor import capacity, documents, environments, inputs, interleaving, models, root, trial
from kespeechchat.commands.doctor.finding import CheckFailed, Finding
from kespeechchat.commands.doctor.machines import Machines, machines
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.stages.base import Row

__all__ = ["Finding", "doctor"]


def doctor(pipeline: Pipeline, address: str, inline: bool) -> Iterator[Finding]:
    """Findings in the order of the checks. `address` as of `kesc build`; `inline`: this process does everything."""
    yield from root.check(pipeline)
    rows = yield from inputs.check(pipeline)
    texts = (yield from documents.check(pipeline.interleave)) if pipeline.interleave else []
    try:
        there = machines(address, inline)
    except CheckFailed as failed:
        yield Finding(False, "Ray", failed.message, failed.fix)
        return
    with there:
        yield from _of_machines(pipeline, there, rows, texts)


def _of_machines(pipeline: Pipeline, there: Machines, rows: inputs.Rows, texts: list[Row]) -> Iterator[Finding]:
    blocked: dict[str, str] = {}  # stage → the check that found it broken
    for check in (capacity.check, environments.check, models.check):
        for finding in check(pipeline, there):
            blocked |= {stage: finding.check for stage in finding.blocks}
            yield finding
    spoken = yield from trial.check(pipeline, there, rows, blocked)
    if pipeline.interleave:
        yield from interleaving.check(pipeline, there, texts, spoken, blocked)
