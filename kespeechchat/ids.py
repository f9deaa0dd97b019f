"""The grammar of a row's id: SOURCE-HASH[-dK][-vK], known to this file alone.

`instructions_en-217d812dc4e6196a` is the row of that content; `…-d2` is its second appearance in the inputs (the first
has no suffix); `…-v0` is the first variant that a stage with a fan-out made of it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

SOURCE = 32  # characters at most
_DUPLICATE = re.compile(r"-d[1-9]\d*$")
_VARIANT = re.compile(r"-v\d+$")


def content_id(source: str, *parts: str) -> str:
    """SOURCE-HASH: 16 hex digits of the normalized content. Compatibility forms, case of width, runs of white space
    and Unicode composition do not make two rows different; upper and lower case do."""
    normal = "\x1f".join([" ".join(_composed(part).split()) if part else part for part in parts])
    return f"{source}-{hashlib.sha256(normal.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


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
