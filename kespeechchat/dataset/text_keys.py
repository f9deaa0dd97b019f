"""Hashes of texts by their letters and digits (`dialogue_splits.text_key`), for many texts at once.

Nearly all characters of a text stand for the same letter whatever is beside them, so a table says what becomes of each;
a text with another one is folded by itself.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kespeechchat.dataset.dialogue_splits import text_key
from kespeechchat.seeds import stable_hashes

_ALONE = (  # code points that no neighbour changes: no marks, nothing that joins with what precedes it
    *(range(0x00, 0x100), range(0x2010, 0x2028), range(0x3000, 0x302A), range(0xFF01, 0xFF5F)),
    *(range(0x3400, 0x4DC0), range(0x4E00, 0x9FFD)),
)
Hashes = npt.NDArray[np.uint64]
_AT_ONCE = 1 << 20  # hashes that are looked up
_DROPPED, _OTHER = 0, 0xFFFF
_END = 0x0A  # between texts
_UNITS = 0x10000  # of UTF-16; what takes two of them (surrogates) is folded by itself


def text_hashes(texts: pa.Array) -> Hashes:
    """uint64 [n]: `stable_hash("text", text_key(text))` of each text; about 2 µs a text of 60 characters."""
    return stable_hashes(("text",), text_keys(texts.to_pylist()))


def among(values: Hashes, keys: Hashes) -> npt.NDArray[np.int64]:
    """The places of the values that are among the sorted keys, sorted."""
    found = [np.zeros(0, np.int64)]
    for start in range(0, len(values) if len(keys) else 0, _AT_ONCE):
        some = values[start : start + _AT_ONCE]
        at = np.minimum(np.searchsorted(keys, some), len(keys) - 1)
        found.append(np.flatnonzero(keys[at] == some) + start)
    return np.concatenate(found)


def text_keys(texts: list[str]) -> list[str]:
    """`text_key` of each text."""
    if not texts:
        return []
    units = np.frombuffer("\n".join(texts).encode("utf-16-le", "surrogatepass"), np.uint16)
    becomes = _table()[units]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    if lengths.sum() + len(texts) - 1 < len(units):
        lengths += np.array([sum(point > "\uffff" for point in text) for text in texts])
    ends = np.cumsum(lengths + 1)[:-1] - 1
    becomes[ends] = _END
    odd = becomes == _OTHER
    becomes[odd] = _DROPPED
    keys: list[str] = becomes[becomes != _DROPPED].tobytes().decode("utf-16-le").split("\n")
    for place in np.unique(np.searchsorted(ends, np.flatnonzero(odd))).tolist():
        keys[place] = text_key(texts[place])
    return keys


@lru_cache(maxsize=1)
def _table() -> npt.NDArray[np.uint16]:
    """Unit of UTF-16 → what becomes of it: one unit, _DROPPED, or _OTHER where it takes more than a table."""
    table = np.full(_UNITS, _OTHER, np.uint16)
    for some in _ALONE:
        text = "".join(map(chr, some))
        if text_key(text) == text:  # Chinese characters: all at once
            table[some.start : some.stop] = some
            continue
        for character in text:
            key = text_key(character)
            if len(key) < 2 and not unicodedata.combining(character):
                table[ord(character)] = ord(key) if key else _DROPPED
    return table
