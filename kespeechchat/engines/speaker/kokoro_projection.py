"""A speaker for Kokoro: the convex mix of stock styles whose x-vectors come nearest to the speaker's.

Non-negative least squares of the x-vector (Resemblyzer) on the stock voices' x-vectors gives the weights, those weights
of the stock styles give the embedding. The mix stays inside the clip's language (English voices speak Chinese badly and
the other way round) and is a likeness of timbre, no copy of the speaker; figures in `docs/voices-quickstart.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kespeechchat.config.speaker_engines import KokoroLikeness
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32, Float64, Int64
from kespeechchat.engines.speaker import TTSEmbedder
from kespeechchat.engines.tts.kokoro_styles import STYLE_SIZE, StyleTable, table
from kespeechchat.records import Audio, Gender, Language, RowError


class KokoroProjection(TTSEmbedder):
    """A `TTSEmbedder` that works from x-vectors alone."""

    deterministic = True
    size = STYLE_SIZE

    def __init__(self, settings: KokoroLikeness) -> None:
        self._settings = settings
        self._table = table()

    def identity(self) -> dict[str, str]:
        """The shipped table of styles, and the encoder whose x-vectors it projects."""
        import hashlib
        from importlib.metadata import version

        digest = hashlib.sha256(self._table.styles.tobytes() + self._table.xvectors.tobytes()).hexdigest()[:16]
        encoder = f"package:resemblyzer=={version('resemblyzer')}"  # whose x-vectors it works from
        return {"model": f"kokoro_styles sha256:{digest}", "xvectors": encoder, "scipy": version("scipy")}

    def embed(
        self,
        audios: Sequence[Audio],
        xvectors: Sequence[Float32],
        language: Language | None = None,
        genders: Sequence[Gender] | None = None,
    ) -> list[Float32 | RowError]:
        """Float32 [256] styles. `language` None mixes every language's voices; a gender of "unknown" both genders'.

        An x-vector of another size is an EngineError (another encoder's), one that is not finite a RowError.
        """
        known: Sequence[Gender] = genders if genders is not None else ["unknown"] * len(xvectors)
        return [self._embed(v, language, g) for v, g in zip(xvectors, known, strict=True)]

    def _embed(self, xvector: Float32, language: Language | None, gender: Gender) -> Float32 | RowError:
        vector = np.asarray(xvector, dtype=np.float64)
        if vector.shape != (self._table.xvectors.shape[1],):
            raise EngineError(
                f"x-vector of shape {vector.shape}: kokoro_projection needs Resemblyzer's "
                f"({self._table.xvectors.shape[1]},); set the profile's speaker encoder to resemblyzer"
            )
        if not np.isfinite(vector).all() or not vector.any():
            return RowError("x-vector is zero or not finite")
        rows = self._table.rows(language, None if gender == "unknown" else gender)
        weights = mix_weights(vector, self._table, rows, self._settings.ridge)
        mixed: Float32 = (weights @ self._table.styles[rows].astype(np.float64)).astype(np.float32)
        return mixed


def mix_weights(vector: Float64, stock: StyleTable, rows: Int64, ridge: float = 0.0) -> Float64:
    """Weights float64 [N], non-negative, summing to 1, of the stock voices `rows` [N] for an x-vector [256]."""
    from scipy.optimize import nnls

    voices = stock.xvectors[rows].astype(np.float64)
    target = vector / np.linalg.norm(vector)
    if ridge:
        voices = np.hstack([voices, np.sqrt(ridge) * np.eye(len(rows))])
        target = np.concatenate([target, np.zeros(len(rows))])
    weights: Float64 = nnls(voices.T, target)[0]
    if not weights.any():  # opposite to every voice: the nearest one alone
        weights[int(np.argmax(stock.xvectors[rows] @ vector))] = 1.0
    shares: Float64 = weights / weights.sum()
    return shares
