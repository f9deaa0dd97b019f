"""The grammar of a row's id: SOURCE-HASH[-dK][-vK], known to this file alone.

`instructions_en-217d812dc4e6196a` is the row of that content; `…-d2` is its second appearance in the inputs (the first
has no suffix); `…-v0` is the first variant that a stage with a fan-out made of it.
"""

from __future__ import annotations

import hashlib
import re
from unicodedata import is_normalized, normalize

import numpy as np
import pyarrow as pa

SOURCE = 32  # characters at most
HEX = 16  # digits of the hash
_BETWEEN, _NUL = "\x1f", "\0"
_PUNCTUATION = {mark: normalize("NFKC", mark) for mark in "，？！：；（）…"}
_DUPLICATE = re.compile(r"-d[1-9]\d*$")
_VARIANT = re.compile(r"-v\d+$")


def content_id(source: str, *parts: str) -> str:
    """SOURCE-HASH: 16 hex digits of the normalized content. Compatibility forms, case of width, runs of white space
    and Unicode composition do not make two rows different; upper and lower case do."""
    normal = _BETWEEN.join([" ".join(_composed(part).split()) if part else part for part in parts])
    return f"{source}-{_hash(normal).hexdigest()[:HEX]}"


def content_ids(source: str, *columns: list[str]) -> pa.StringArray:
    """:func:`content_id` of each row, string [n]: `columns` are the first parts of all rows, the second parts, …"""
    count, head = len(columns[0]), f"{source}-".encode()
    spaced = [[" ".join(part.split()) if part else part for part in _all_composed(column)] for column in columns]
    hashed = b"".join([_hash(normal).digest() for normal in map(_BETWEEN.join, zip(*spaced, strict=True))])
    text = np.empty((count, len(head) + HEX), np.uint8)
    text[:, : len(head)] = np.frombuffer(head, np.uint8)
    text[:, len(head) :] = np.frombuffer(hashed.hex().encode(), np.uint8).reshape(count, 64)[:, :HEX]
    ends = np.arange(count + 1, dtype=np.int32) * text.shape[1]
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(text))


def _hash(normal: str) -> hashlib._Hash:
    return hashlib.sha256(normal.encode("utf-8", "surrogatepass"))


def _composed(text: str) -> str:
    return text if text.isascii() else normalize("NFKC", text)


def _all_composed(texts: list[str]) -> list[str]:
    """:func:`_composed` of each. Most Chinese texts are composed but for their punctuation, and to see that takes a
    tenth of the time: so the punctuation is replaced in all of them at once, which changes no text's form."""
    all_texts = _NUL.join(texts)
    if all_texts.isascii():
        return texts
    for mark, composed in _PUNCTUATION.items():
        all_texts = all_texts.replace(mark, composed)
    marked = all_texts.split(_NUL)
    if len(marked) != len(texts):  # a text holds the separator
        return [_composed(text) for text in texts]
    return [text if text.isascii() or is_normalized("NFKC", text) else normalize("NFKC", text) for text in marked]


def source_of(name: str) -> str:
    """`name` as the source part of an id: ASCII letters, digits and `_`.

    >>> source_of("My questions (2).en")
    'My_questions__2__en'
    """
    plain = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)[:SOURCE].strip("_")
    return plain or "source"


def appearance(id_: str, nth: int) -> str:
    """The id of a row's `nth` appearance, from 1.

    >>> appearance("a-00", 1), appearance("a-00", 2)
    ('a-00', 'a-00-d2')
    """
    return id_ if nth == 1 else f"{id_}-d{nth}"


def first_appearance(id_: str) -> str:
    """The id of the row that `id_` repeats; itself where it is the first.

    >>> first_appearance("a-00-d2"), first_appearance("a-00")
    ('a-00', 'a-00')
    """
    return _DUPLICATE.sub("", id_)


def variants(id_: str, count: int) -> list[str]:
    """The ids of the rows that a stage makes of `id_`; itself where it makes one.

    >>> variants("a-00", 1), variants("a-00", 2)
    (['a-00'], ['a-00-v0', 'a-00-v1'])
    """
    return [id_] if count == 1 else [f"{id_}-v{k}" for k in range(count)]


def parent(id_: str) -> str:
    """The id of the row that the variant `id_` was made of; itself where it is no variant.

    >>> parent("a-00-v1"), parent("a-00-d2")
    ('a-00', 'a-00-d2')
    """
    return _VARIANT.sub("", id_)
