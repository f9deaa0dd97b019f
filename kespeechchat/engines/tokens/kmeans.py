"""A codebook of centroids: read from a file, fitted on vectors, and the nearest centroid of each vector."""

from __future__ import annotations

import numpy as np

from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32, Int32
from kespeechchat.engines.models import resolve

_ROUNDS = 30  # of k-means; it has settled by then


def read_centroids(setting: str, path: str, width: int) -> Float32:
    """Float32 [K, width] of a .npy file. Raises EngineError where it is none, or of another width."""
    try:
        table = np.load(resolve(path), allow_pickle=False)
    except (OSError, ValueError) as error:
        raise EngineError(f"{setting}: centroids {path!r} cannot be read as a .npy file: {error}") from error
    if table.ndim != 2 or table.shape[1] != width or len(table) < 2 or not np.isfinite(table).all():
        raise EngineError(
            f"{setting}: centroids {path!r} has shape {list(table.shape)}; this model needs finite [K, {width}]"
        )
    return np.ascontiguousarray(table, dtype=np.float32)


def nearest(vectors: Float32, centroids: Float32) -> Int32:
    """Int32 [n]: the nearest centroid of each of `vectors` [n, D]."""
    # |v - c|² = |v|² - 2 (v·c - |c|²/2): the nearest has the greatest v·c - |c|²/2.
    halves = np.square(centroids).sum(axis=1) / 2
    return np.asarray((vectors @ centroids.T - halves).argmax(axis=1), dtype=np.int32)


def fitted(vectors: Float32, clusters: int, seed: int) -> Float32:
    """Float32 [clusters, D]: k-means of `vectors` [n, D] (Lloyd's, begun as k-means++). Raises ValueError where there
    are fewer vectors than clusters."""
    if len(vectors) < clusters:
        raise ValueError(f"{len(vectors)} frames of speech make no {clusters} clusters: more speech, or fewer clusters")
    try:
        from sklearn.cluster import KMeans
    except ImportError as error:
        raise EngineError(
            f"a codebook is fitted by scikit-learn ({error}): pip install 'kespeechchat[view]'"
        ) from error
    means = KMeans(clusters, n_init=1, max_iter=_ROUNDS, random_state=seed).fit(vectors.astype(np.float32))
    return np.asarray(means.cluster_centers_, dtype=np.float32)
