"""`kesc doctor`: what can be found out before the week begins, with the cure for each finding.

Checks ROOT and its room, the inputs, the machines against what the phases ask for, each stage's environment, each
model, and then sends a canary: a few rows of each language go through every stage, each unit in a process of its own
with the unit's resources and environment. Later checks go on whatever earlier ones found; the canary leaves out what
they found broken. Nothing of it is written to ROOT.
"""

from __future__ import annotations

from collections.abc import Iterator

from kespeechchat.commands.doctor import canary, capacity, environments, inputs, models
from kespeechchat.commands.doctor import root as place
from kespeechchat.commands.doctor.finding import Finding, Trouble
from kespeechchat.commands.doctor.machines import Machines, machines
from kespeechchat.config.pipeline import Pipeline

__all__ = ["Finding", "doctor"]


def doctor(pipeline: Pipeline, address: str, inline: bool) -> Iterator[Finding]:
    """Findings in the order of the checks. `address` as of `kesc build`; `inline`: this process stands for all."""
    yield from place.check(pipeline)
    rows = yield from inputs.check(pipeline)
    try:
        there = machines(address, inline)
    except Trouble as trouble:
        yield Finding(False, "Ray", trouble.told, trouble.cure)
        return
    with there:
        yield from _of_machines(pipeline, there, rows)


def _of_machines(pipeline: Pipeline, there: Machines, rows: inputs.Rows) -> Iterator[Finding]:
    blocked: dict[str, str] = {}  # stage → the check that found it broken
    for check in (capacity.check, environments.check, models.check):
        for finding in check(pipeline, there):
            blocked |= {stage: finding.check for stage in finding.blocks}
            yield finding
    yield from canary.check(pipeline, there, rows, blocked)
