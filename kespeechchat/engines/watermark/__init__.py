"""Watermark: mark speech as synthetic, and find the mark again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kespeechchat.engines import Engine
from kespeechchat.records import Audio, RowError


@dataclass(frozen=True)
class Detection:
    """What a detector heard. It does not decide: the audio counts as marked from `threshold` of the settings on.

    `score`: 0..1. `payload`: hex, the bits as read, which mean something only in audio that is marked; None where the
    engine's marks carry no payload, and for silence.
    """

    score: float
    payload: str | None = None


class Watermark(Engine, Protocol):
    """Marks audio and finds marks. `payload_bits`: bits that a mark carries; 0: presence only."""

    payload_bits: int

    def embed(self, audios: Sequence[Audio], payload: str | None = None) -> list[Audio | RowError]:
        """The same audio, marked: same number of samples, same rate. `payload`: hex, of `payload_bits` bits."""
        ...

    def detect(self, audios: Sequence[Audio]) -> list[Detection | RowError]:
        """What the detector hears in each of `audios`, in order."""
        ...
