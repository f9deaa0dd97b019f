"""Which texts say nearly the same as an earlier one: MinHash finds candidates, their n-grams decide.

A signature of `permutations` hashes is cut into bands; texts that agree in a whole band are candidates (locality
sensitive hashing). A candidate is then compared n-gram by n-gram, so nothing is rejected that is less alike than the
threshold says. What bands miss is said by their probability: of two texts with the share J of their n-grams in common,
1 - (1 - J^rows)^bands are found. One more key is of the whole text, so the same tokens are always found.

Texts are held to the earlier ones that were kept, never to rejected ones: what is alike does not chain, and a later
text changes nothing of an earlier one. A band that `FULL` texts share which are no duplicates of each other is of a
pattern ("How far is …"), and is not looked at any more; so the work is bounded whatever the texts are.

Memory: 4 bytes of each band and text, and 5 of each group of texts that share one: for ten million texts at the default
threshold (14 bands and the whole text) 0.6 GB.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from kespeechchat.config.load import ConfigError
from kespeechchat.text.ngrams import jaccard

FULL = 16  # kept texts that share a band before it counts as a pattern's
_FOUND = 0.9  # least probability of finding two texts that are as alike as the threshold says
_COMPARED = 16  # candidates of a text that are compared, those with the most bands in common first
_SEED = 0x6B657363
_ALGORITHM = 2  # of rensa's signatures: those in ROOT must be comparable for good
Keys = npt.NDArray[np.uint32]


def bands_of(threshold: float, permutations: int) -> tuple[int, int]:
    """(bands, rows of a band): the longest bands that still find two texts of this likeness nine times in ten.

    >>> bands_of(0.8, 112)
    (14, 8)
    """
    for rows in range(permutations, 1, -1):
        bands = permutations // rows
        if 1 - (1 - threshold**rows) ** bands >= _FOUND:
            return bands, rows
    return permutations, 1


def keys_of(texts: Sequence[str], grams: Sequence[set[str]], bands: int, rows: int) -> Keys:
    """The keys [n, bands + 1] of texts with these n-grams: the first is of the whole text, the others of its bands.

    Raises ConfigError where the installed rensa makes other signatures than those in ROOT.
    """
    if RMinHash.ALGORITHM_VERSION != _ALGORITHM:
        raise ConfigError(
            f"rensa makes signatures of version {RMinHash.ALGORITHM_VERSION}, those in ROOT are of version "
            f"{_ALGORITHM}: install the version that requirements/constraints-core.txt names"
        )
    keys = np.empty((len(texts), bands + 1), np.uint32)
    if texts:
        keys[:, 0] = [zlib.crc32(text.encode()) for text in texts]
        digests = RMinHash.digests_from_token_sets(grams, bands * rows, _SEED)
        flat = np.fromiter(chain.from_iterable(digests), np.uint64, len(texts) * bands * rows)
        keys[:, 1:] = _mixed(flat.reshape(len(texts), bands, rows))
    return keys


def _mixed(hashes: npt.NDArray[np.uint64]) -> Keys:
    """One 32-bit hash of the last axis: a sum with odd factors, mixed so that its high bits depend on all."""
    factors = np.array([(0x9E3779B97F4A7C15 * (2 * k + 1)) & (2**64 - 1) for k in range(hashes.shape[-1])], np.uint64)
    total = (hashes * factors).sum(axis=-1, dtype=np.uint64)
    total ^= total >> np.uint64(31)
    total *= np.uint64(0xBF58476D1CE4E5B9)
    mixed: Keys = (total >> np.uint64(32)).astype(np.uint32)
    return mixed


def likenesses(
    keys: Keys, first: int, grams_of: Callable[[int], set[str]], threshold: float
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Of each text from `first` on, the earlier one that it is like (-1: none) and how much they are alike.

    `keys` [n, k] of all texts in order, which this overwrites; those before `first` are kept already. `grams_of(i)`
    gives the n-grams of text i.
    """
    return _Resolver(keys, first, grams_of, threshold).run()


class _Resolver:
    """Goes through the texts that share a key, in order.

    Each key becomes the number of its group (0: nobody shares it). Once a text is kept, the places of its groups in
    `keys` hold, as a chain, the text before it in that group (its number and 1; 0 ends the chain).
    """

    def __init__(self, keys: Keys, first: int, grams_of: Callable[[int], set[str]], threshold: float) -> None:
        self._keys, self._first = keys, first
        self._grams_of, self._threshold = grams_of, threshold
        groups = _number_groups(keys, first)
        self._last = np.zeros(groups + 1, np.uint32)  # of each group: the kept text that came last, and 1
        self._size = np.zeros(groups + 1, np.uint8)

    def run(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        count = len(self._keys) - self._first
        like, alike = np.full(count, -1, np.int32), np.zeros(count, np.float32)
        for text in np.flatnonzero(self._keys.any(axis=1)).tolist():
            bands = np.flatnonzero(self._keys[text])
            groups = self._keys[text, bands]
            if text >= self._first:
                found, share = self._like(text, bands, groups)
                if found is not None:
                    like[text - self._first], alike[text - self._first] = found, share
                    continue
            room = self._size[groups] < FULL
            self._keys[text, bands] = np.where(room, self._last[groups], 0)
            self._last[groups[room]] = text + 1
            self._size[groups[room]] += 1
        return like, alike

    def _like(self, text: int, bands: npt.NDArray[np.intp], groups: npt.NDArray[np.uint32]) -> tuple[int | None, float]:
        """The first of the kept candidates that is alike enough; those with the most bands in common come first."""
        shared: Counter[int] = Counter()
        lasts, sizes = self._last[groups].tolist(), self._size[groups].tolist()
        for band, last, size in zip(bands.tolist(), lasts, sizes, strict=True):
            while last and size < FULL:
                shared[last - 1] += 1
                last = int(self._keys[last - 1, band])
        if not shared:
            return None, 0.0
        grams = self._grams_of(text)
        for other in sorted(shared, key=lambda one: (-shared[one], one))[:_COMPARED]:
            if (share := jaccard(grams, self._grams_of(other))) >= self._threshold:
                return other, share
        return None, 0.0


def _number_groups(keys: Keys, first: int) -> int:
    """Puts into `keys` the number of the group of texts that share this key, from 1; 0 for a key of one text alone, or
    of texts before `first` alone. Returns how many groups there are."""
    groups = 0
    for band in range(keys.shape[1]):
        column = keys[:, band].copy()
        order = np.argsort(column, kind="stable")
        column = column[order]
        begins = np.flatnonzero(np.concatenate(([True], column[1:] != column[:-1]))) if len(column) else order
        sizes = np.diff(begins, append=len(column))
        wanted = (sizes > 1) & (order[begins + sizes - 1] >= first)
        numbers = np.where(wanted, np.cumsum(wanted) + groups, 0)
        keys[order, band] = np.repeat(numbers, sizes)
        groups += int(wanted.sum())
    return groups


def keys_to_bytes(keys: Keys) -> list[bytes]:
    """Each row of `keys` as ROOT keeps it: uint32, little endian."""
    data, width = keys.astype("<u4").tobytes(), 4 * keys.shape[1]
    return [data[at : at + width] for at in range(0, len(data), width)]


def keys_from(rows: Sequence[bytes], width: int) -> Keys:
    """Keys [n, width] of what ROOT keeps."""
    return np.frombuffer(b"".join(rows), "<u4").reshape(len(rows), width).astype(np.uint32)
