"""Kokoro's stock voices as a table: one mean style, one x-vector, a language and a gender for each of the 54.

`kokoro_styles.npz` beside this file is derived by `scripts/derive_kokoro_styles.py`; its origin and licence
(Apache-2.0) are in `docs/kokoro-styles.md`. A convex mix of styles is a voice of its own: these 54 × 256 numbers span
every voice that the quick-start profile can speak with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from kespeechchat.engines.arrays import Float32, Int64

STYLE_SIZE = 256


@dataclass(frozen=True)
class StyleTable:
    """`styles` float32 [N, 256]: mean of a voice's style rows. `xvectors` float32 [N, 256]: unit length, Resemblyzer's
    mean over the voice's speech. `languages`: BCP 47 primary tags of what the voice was made for (en, zh, ja, …)."""

    names: tuple[str, ...]
    languages: tuple[str, ...]
    genders: tuple[str, ...]
    styles: Float32
    xvectors: Float32

    def index(self, name: str) -> int:
        """The row of the stock voice `name`. Raises ValueError that lists the known names."""
        try:
            return self.names.index(name)
        except ValueError:
            raise ValueError(f"unknown Kokoro style {name!r}; known are {', '.join(self.names)}") from None

    def rows(self, language: str | None = None, gender: str | None = None) -> Int64:
        """Indices (int64) of the voices of a language and gender; None: of every one."""
        return np.array(
            [
                i
                for i, (a, b) in enumerate(zip(self.languages, self.genders, strict=True))
                if language in (None, a) and gender in (None, b)
            ],
            dtype=np.int64,
        )


@lru_cache(maxsize=1)
def table() -> StyleTable:
    """The shipped table; its arrays are read-only."""
    source = resources.files("kespeechchat.engines.tts").joinpath("kokoro_styles.npz")
    with source.open("rb") as file, np.load(file, allow_pickle=False) as data:
        styles, xvectors = data["styles"], data["xvectors"]
        names, languages, genders = (tuple(map(str, data[k])) for k in ("names", "languages", "genders"))
    styles.setflags(write=False)
    xvectors.setflags(write=False)
    return StyleTable(names, languages, genders, styles, xvectors)


def style(mix: Mapping[str, float]) -> Float32:
    """The style float32 [256] of a convex mix `{stock name: weight}`; weights are positive and sum to 1 (± 0.001).

    Raises ValueError that names the style or weight at fault.
    """
    if not mix:
        raise ValueError("a style mix must name at least one stock style, e.g. {af_heart: 1.0}")
    for name, weight in mix.items():
        if not 0 < weight <= 1:
            raise ValueError(f"style mix: weight {weight} of {name!r} is not in (0, 1]")
    total = sum(mix.values())
    if abs(total - 1) > 1e-3:
        raise ValueError(f"style mix {mix}: weights sum to {total:.3f}, not 1")
    stock = table()
    weights = np.array(list(mix.values()), dtype=np.float64) / total
    rows = stock.styles[[stock.index(name) for name in mix]].astype(np.float64)
    mixed: Float32 = (weights @ rows).astype(np.float32)
    return mixed
