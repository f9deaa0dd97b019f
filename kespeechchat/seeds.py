"""Seeds and ranks by hashing: (build seed, purpose, id) → 64 bits, the same on every machine, in any order, for ever.

What must survive a new version of a library (which split, which pair, which partition) uses no random generator: its
stream might change. The whole rule is BLAKE2b's 8-byte digest of the parts, joined by the unit separator.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

_SEPARATOR = "\x1f"


def stable_hash(*parts: object) -> int:
    """64 bits of the parts' text: `stable_hash(seed, "split", recording)`."""
    text = _SEPARATOR.join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def seed_for(*parts: object) -> int:
    """An engine's seed in [0, 2³¹), from (build seed, stage, row id, …); give no part that a rerun would change."""
    return stable_hash(*parts) >> 33


def stable_uniform(*parts: object) -> float:
    """A number in [0, 1) from the parts' text, with 53 bits."""
    return (stable_hash(*parts) >> 11) / (1 << 53)


def stable_hashes(prefix: tuple[object, ...], ids: Iterable[str]) -> np.ndarray:
    """uint64 [n]: `stable_hash(*prefix, id)` of each id; about 1 µs an id."""
    base = blake2b(_SEPARATOR.join([*map(str, prefix), ""]).encode(), digest_size=8)

    def digest(one: str) -> bytes:
        state = base.copy()
        state.update(one.encode())
        return state.digest()

    return np.frombuffer(b"".join(map(digest, ids)), dtype=">u8").astype(np.uint64)


def mix(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """uint64 [n]: one well-spread number per pair of numbers (the SplitMix64 finalizer, Steele et al. 2014).

    Not symmetric: give each pair in a fixed order.
    """
    with np.errstate(over="ignore"):
        z = left.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + right.astype(np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
