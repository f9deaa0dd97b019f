"""A table of voices for Kokoro: mixes of its stock styles that were searched, spoken and heard beforehand.

`kokoro_mixes.npz` beside this file is made by `scripts/search_kokoro_mixes.py`; its origin and licence (Apache-2.0) are
in `docs/kokoro-styles.md`. A style's first half colours the sound and its second sets pitch and rhythm, so the table
has weights of the stock voices for each half. They sum to 1, and some are below 0: these mixes are beyond the convex.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from kespeechchat.engines.arrays import Float32, Float64, Int64
from kespeechchat.engines.tts.kokoro_styles import STYLE_SIZE, table

ACOUSTIC = STYLE_SIZE // 2  # numbers of a style that colour the sound; the rest set pitch and rhythm


@dataclass(frozen=True)
class MixTable:
    """N voices. `styles` float32 [N, 256]; `xvectors` float32 [N, 256]: unit length, Resemblyzer's of one sentence;
    `seconds_per_character` float32 [N], of that sentence; `misheard` float32 [N], the share of syllables (zh) or words
    (en) that Whisper misheard in further ones."""

    languages: tuple[str, ...]
    genders: tuple[str, ...]
    styles: Float32
    xvectors: Float32
    seconds_per_character: Float32
    misheard: Float32

    def rows(self, language: str, gender: str) -> Int64:
        """Indices (int64) of the voices of a language and gender."""
        pairs = zip(self.languages, self.genders, strict=True)
        return np.array([i for i, pair in enumerate(pairs) if pair == (language, gender)], dtype=np.int64)


def mixed_styles(acoustic: Float32 | Float64, prosodic: Float32 | Float64) -> Float32:
    """Float32 [N, 256]: styles whose halves are mixes of the stock voices with these weights, [N, 54] each."""
    stock = table().styles.astype(np.float64)
    halves = acoustic @ stock[:, :ACOUSTIC], prosodic @ stock[:, ACOUSTIC:]
    return np.concatenate(halves, axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def mixes() -> MixTable:
    """The shipped table; its arrays are read-only."""
    source = resources.files("kespeechchat.engines.tts").joinpath("kokoro_mixes.npz")
    with source.open("rb") as file, np.load(file, allow_pickle=False) as data:
        languages, genders = (tuple(map(str, data[k])) for k in ("languages", "genders"))
        styles = mixed_styles(data["acoustic"], data["prosodic"])
        xvectors = data["xvectors"].astype(np.float32)
        rates, misheard = (data[k].astype(np.float32) for k in ("seconds_per_character", "misheard"))
    xvectors /= np.linalg.norm(xvectors, axis=1, keepdims=True)
    for array in (styles, xvectors, rates, misheard):
        array.setflags(write=False)
    return MixTable(languages, genders, styles, xvectors, rates, misheard)
