"""Dialogues that were kept in a later round, and what the rounds before refused of them, for the layouts' tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kespeechchat.export.layout import RefusedTake
from tests.export.gated_rows import dialogue, flac, pcm

REASONS = ("error_rate", "silence", "low_mos", "hallucination", "watermark_not_found")


def rows(count: int = 40) -> list[dict]:
    """Two of three are kept in a later round."""
    return [dialogue(i, round=i % 3) for i in range(count)]


def take(row: dict, round_: int, reason: str) -> RefusedTake:
    """The user's turn is the one at fault; the agent's is as good as what was kept."""
    user, agent = ({**turn, "seed": 1000 + round_, "voice": turn["voice"]} for turn in row["turns"])
    user |= {
        "error_rate": 0.5 + round_ / 10,
        "transcript": "something else",
        "longest_silence": 2.5,
        "scores": [{"head": "dnsmos_ovrl", "value": 1.5}],
    }
    return RefusedTake(round_, reason, f"user: {reason}", [user, agent])


def refused_pcm(row: dict, role: str, round_: int) -> np.ndarray:
    """int16 [T]: another sound than what was kept, as long."""
    return (pcm(row, role) // (2 + round_)).astype(np.int16)


@dataclass
class Refused:
    """A `RefusedReader` of `rows`. `asked`: of which dialogues and rounds the speech was read."""

    reasons: Mapping[str, str] = field(default_factory=dict)  # by dialogue; else `error_rate`
    asked: list[tuple[str, int]] = field(default_factory=list)

    def takes(self, row: dict) -> Sequence[RefusedTake]:
        return [take(row, k, self.reasons.get(row["id"], "error_rate")) for k in range(row["round"])]

    def speech(self, row: dict, of: RefusedTake) -> dict[str, bytes]:
        self.asked.append((row["id"], of.round))
        return {role: flac(refused_pcm(row, role, of.round)) for role in ("user", "agent")}
