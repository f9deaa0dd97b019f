"""Watermark: mark speech as synthetic, and find the mark again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kespeechchat.records import Audio, RowError


@dataclass(frozen=True)
class Detection:
    score: float  # 0..1
    payload: str | None = None  # hex; None where the mark carries none


class Watermark(Protocol):
    deterministic: bool
    threshold: float  # a score at or over it counts as marked
    payload_bits: int  # 0: presence only

    def identity(self) -> dict[str, str]: ...

    def embed(self, audios: Sequence[Audio], payload: str | None = None) -> list[Audio | RowError]:
        """The same audio, marked: same number of samples, same rate."""
        ...

    def detect(self, audios: Sequence[Audio]) -> list[Detection | RowError]: ...


def load(settings: Any) -> Watermark:
    match settings.use:
        case "perth":
            from kespeechchat.engines.watermark.perth import Perth

            return Perth(settings)
        case "audioseal":
            from kespeechchat.engines.watermark.audioseal import AudioSealWatermark

            return AudioSealWatermark(settings)
    raise ValueError(f"unknown watermark engine {settings.use!r}")
