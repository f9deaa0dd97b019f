"""Rounds of speech: a dialogue that `gate` did not keep is spoken again, in stages of their own, never in a loop.

Stage `gate` of round 1 is the stage `gate.r1`: a stage like any other, with the settings of `gate` and shards of its
own. Round 0 is the flow itself and adds nothing to a name. This module alone makes such names and takes them apart.
"""

from __future__ import annotations

import re
from typing import Literal

from kespeechchat.config.flow import SPEECH

Change = Literal["seed", "voice"]  # what a round changes; another voice has another seed too
CHANGES = {"seed": "another seed", "voice": "another voice"}
REPEATED = SPEECH  # the stages of a round, in order: the last one decides

_NAME = re.compile(r"(?P<stage>.+)\.r(?P<round>[1-9]\d*)")


def in_round(stage: str, round_: int) -> str:
    """`gate`, 1 → `gate.r1`; `gate`, 0 → `gate`."""
    return f"{stage}.r{round_}" if round_ else stage


def split_round(name: str) -> tuple[str, int]:
    """`gate.r1` → (`gate`, 1); `gate` → (`gate`, 0)."""
    match = _NAME.fullmatch(name)
    return (match["stage"], int(match["round"])) if match else (name, 0)
