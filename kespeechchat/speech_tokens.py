"""The speech tokens that a turn was spoken from, as they are kept beside its audio.

A TTS whose language model says speech tokens, from which a flow and a vocoder make the audio, has them for nothing.
Nothing between that TTS and an export cuts a turn or pads it, so token k stands for the audio from k / rate seconds on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SPEECH_TOKENS = pa.struct(
    [
        ("ids", pa.list_(pa.int32())),
        ("rate", pa.float32()),  # tokens a second
        ("size", pa.int32()),  # of the codebook
        ("tokenizer", pa.string()),  # digest of the file that makes such tokens of audio
    ]
)
"""A turn's `speech_tokens`; null where none were kept."""
_STRAY = 0.02  # of the seconds: a piece of a turn may be a spectrogram frame (12 ms) shorter than its tokens


@dataclass(frozen=True)
class Codebook:
    """What speech tokens are of: `rate` a second, each in [0, `size`). `tokenizer`: the digest of the file that makes
    such tokens of audio, by which the tokens of two codebooks are told apart."""

    rate: float
    size: int
    tokenizer: str


@dataclass(frozen=True)
class SpeechTokens:
    """The tokens that an utterance was made from, `ids` int32 [n], each in its codebook."""

    ids: npt.NDArray[np.int32]
    codebook: Codebook

    @staticmethod
    def of(kept: Mapping[str, Any] | None) -> SpeechTokens | None:
        """What a turn's column `speech_tokens` holds."""
        if kept is None or kept["ids"] is None:
            return None
        codebook = Codebook(kept["rate"], kept["size"], kept["tokenizer"])
        return SpeechTokens(np.array(kept["ids"], dtype=np.int32), codebook)

    def column(self) -> dict[str, Any]:
        """As a turn's column `speech_tokens` keeps them. Raises ValueError for an id that the codebook does not have:
        another model's tokens would pass for its own."""
        book = self.codebook
        if len(self.ids) and not 0 <= self.ids.min() <= self.ids.max() < book.size:
            raise ValueError(
                f"speech tokens from {self.ids.min()} to {self.ids.max()}, but the codebook has {book.size}"
            )
        return {"ids": self.ids.tolist(), "rate": book.rate, "size": book.size, "tokenizer": book.tokenizer}

    def misfit(self, seconds: float) -> str | None:
        """Why these are not the tokens of audio of that length, or None."""
        own = len(self.ids) / self.codebook.rate
        if abs(own - seconds) <= 1 / self.codebook.rate + _STRAY * seconds:
            return None
        return f"{len(self.ids)} speech tokens are {own:.2f} s of audio, and it has {seconds:.2f} s"


def muted(turn: Mapping[str, Any]) -> dict[str, Any]:
    """The turn without its speech: neither audio nor the tokens that it was made from."""
    return {**turn, "audio": None} | ({"speech_tokens": None} if "speech_tokens" in turn else {})
