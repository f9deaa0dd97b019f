"""What layouts say of a dialogue beside its audio, flat and the same in each: strings and numbers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kespeechchat.export.selection import Selection

_DIGITS = 4  # of seconds: a tenth of a millisecond


def facts(row: Mapping[str, Any], selection: Selection, genders: Mapping[str, str]) -> dict[str, Any]:
    """id, language, split, partition (the smallest; None for held-out dialogues), error rate, and per role text, voice,
    gender, seconds. Raises ValueError where a voice is not in the library."""
    found: dict[str, Any] = {
        "id": row["id"],
        "language": row["language"],
        "split": row["split"],
        "partition": selection.partition(row),
        "metric": row["metric"],
        "error_rate": None if row["error_rate"] is None else round(row["error_rate"], 6),
    }
    for turn in row["turns"]:
        role, voice = turn["role"], turn["voice"]
        if voice not in genders:
            raise ValueError(f"dialogue {row['id']}: voice {voice} is not in the voice library")
        found[f"{role}_text"] = turn["text"]
        found[f"{role}_voice"] = voice
        found[f"{role}_gender"] = genders[voice]
        found[f"{role}_seconds"] = round(turn["seconds"], _DIGITS)
    return found
