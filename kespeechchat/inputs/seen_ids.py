"""How often ids were seen, for tens of millions of them: 8 bytes each, asked for and added in sorted batches.

An id is its source and 64 bits of content hash (ids.content_id); hashes of one source stand in sorted arrays,
and an array is merged with the next as soon as that is no larger: n ids in about log2(n / batch) arrays.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from kespeechchat.ids import HEX

_PIECES = 64
_DIGIT = np.zeros(256, np.uint8)
_DIGIT[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


class IdCounts:
    """A multiset of uint64."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def count(self, hashes: np.ndarray) -> np.ndarray:
        """How often each of `hashes` (uint64 [n], sorted) was added, int64 [n]."""
        counts = np.zeros(len(hashes), np.int64)
        for run in self._runs:
            left = np.searchsorted(run, hashes)
            found = np.flatnonzero(run[np.minimum(left, len(run) - 1)] == hashes)
            counts[found] += np.searchsorted(run, hashes[found], "right") - left[found]
        return counts

    def add(self, hashes: np.ndarray) -> None:
        """Adds `hashes` (uint64 [n], sorted)."""
        if not len(hashes):
            return
        self._runs.append(hashes)
        while len(self._runs) > 1 and len(self._runs[-2]) <= len(self._runs[-1]):
            both = np.concatenate((self._runs.pop(), self._runs.pop()))
            both.sort(kind="stable")  # of two sorted halves this is a merge
            self._runs.append(both)

    def distinct(self) -> Iterator[np.ndarray]:
        """Every hash once, in ascending order: arrays uint64 [n] that hold a 64th of them each, as hashes are even."""
        edges = np.arange(_PIECES, dtype=np.uint64) << np.uint64(58)
        places = [np.append(np.searchsorted(run, edges), len(run)) for run in self._runs]
        for n in range(_PIECES if self._runs else 0):
            pieces = [run[at[n] : at[n + 1]] for run, at in zip(self._runs, places, strict=True)]
            yield np.unique(np.concatenate(pieces))


def hashes_of(ids: pa.StringArray, source: str) -> np.ndarray:
    """The hashes in `ids` (string [n], each `SOURCE-HASH`, whatever follows), uint64 [n]."""
    offsets = np.frombuffer(ids.buffers()[1], np.int32)[ids.offset : ids.offset + len(ids)]
    text = np.frombuffer(ids.buffers()[2] or b"", np.uint8)
    digits = _DIGIT[text[(offsets + len(source) + 1)[:, None] + np.arange(HEX)]]
    hashes: np.ndarray = (digits[:, ::2] << 4 | digits[:, 1::2]).view(">u8").astype(np.uint64).ravel()
    return hashes
