"""A measured pilot: the profile on the first rows of each input, built for real in a root beside the profile's own."""

from __future__ import annotations

from typing import TypedDict, Unpack

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import counted
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress

_USERS = 4  # user voices of each split: the audio phase needs some, and their number costs time
_CLIPS = 1000  # of each speech input: enough that a corpus ordered by recording gives some speakers


class RunOptions(TypedDict):
    """How the pilot runs; as of `execution.driver.build`."""

    address: str
    inline: bool


def pilot_of(pipeline: Pipeline, rows: int, clips: int | None = None) -> Pipeline:
    """`pipeline` on its first `rows` instructions and `clips` clips per input, with few voices, in ROOT-pilot.

    Without guards: a pilot is there to see what a yield is. What is measured does not depend on how many voices there
    are; too few pairs of parents must not stop it.
    """
    blending = pipeline.stages.blend.blending
    users = {split: min(n, _USERS) for split, n in blending.users.items()}
    few = blending.model_copy(update={"users": users, "allow_fewer": True})
    stages = pipeline.stages.model_copy(update={"blend": pipeline.stages.blend.model_copy(update={"blending": few})})
    return pipeline.model_copy(
        update={
            "root": f"{pipeline.root.rstrip('/')}-pilot",
            "instructions": pipeline.instructions.model_copy(update={"limit": rows}),
            "speech": pipeline.speech.model_copy(update={"limit": clips or _CLIPS}),
            "stages": stages,
            "guards": {},
        }
    )


def run_pilot(pilot: Pipeline, progress: Progress, **how: Unpack[RunOptions]) -> None:
    """Builds the pilot, or what is missing of it. Says what stops it half-way; what it measured so far is used."""
    progress.say(f"pilot: the first {counted(pilot.instructions.limit or 0, 'row')} of each input, in {pilot.root}")
    try:
        result = build(pilot, progress, **how)
    except ConfigError as error:
        progress.say(f"the pilot stopped: {error}", "error")
        return
    for blocked in result.blocked:
        progress.say(f"the pilot stopped: {blocked}", "error")
    if result.failed:
        progress.say(
            f"{counted(result.failed, 'shard')} of the pilot failed: `kesc errors --root {pilot.root}`", "error"
        )
