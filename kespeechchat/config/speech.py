"""What several stages ask of speech: the unit of its errors, its silences, its level."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kespeechchat.config.base import Settings
from kespeechchat.records import Language


def _fits(units: dict[Language, str]) -> dict[Language, str]:
    for language, unit in units.items():
        if unit not in {"zh": ("character", "syllable"), "en": ("word",)}[language]:
            raise ValueError(f"{language}: {unit!r} is no unit of that language")
    return units


ErrorUnits = Annotated[
    dict[Language, Literal["character", "syllable", "word"]],
    AfterValidator(_fits),
    Field(description="what errors are counted in; syllable: Chinese pinyin with tones"),
]


class SilenceLimits(Settings):
    """The longest silence that a turn may have, in seconds; null: any."""

    leading: float | None = Field(None, ge=0, description="seconds before the first sound")
    trailing: float | None = Field(None, ge=0, description="seconds after the last sound")
    inside: float | None = Field(None, ge=0, description="seconds between two sounds")


class LoudnessSettings(Settings):
    """The level of every utterance (EBU R128). One gain for the whole utterance; it is smaller where the true peak
    would rise over its limit, so that nothing clips."""

    lufs: float = Field(-23.0, ge=-70, le=0, description="integrated loudness in LUFS; EBU R128 has -23")
    true_peak: float = Field(-1.0, ge=-20, le=0, description="highest true peak in dBTP; EBU R128 has -1")
