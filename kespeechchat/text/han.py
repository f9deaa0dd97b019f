"""Traditional characters as simplified ones, for everything that asks how a Chinese text is read.

Dictionaries of readings (pypinyin, jieba with misaki) know words in simplified characters. A traditional word is read
character by character, often wrongly: 銀行 becomes yín xíng.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol, cast

# OpenCC keeps 著, which is right in 著名; elsewhere a writer in Taiwan means the particle 着.
_PARTICLE = re.compile(r"(?<![显顯卓土原名专專巨论論编編合译譯拙])著(?![名作称稱述者书書录錄重])")
# Of two readings in simplified texts too (乾 is qián in 乾坤): no sign that a text is traditional.
_IN_BOTH = frozenset("乾藉瞭夥徵覆於麽祇")


class _Converter(Protocol):
    def convert(self, text: str) -> str: ...


def simplified(text: str) -> str:
    """`text` in simplified characters. Simplified text comes back as it is.

    >>> simplified("他看著銀行，覺得很著名。")
    '他看着银行，觉得很著名。'
    >>> simplified("乾卦代表天。")
    '乾卦代表天。'
    """
    if text.isascii():
        return text
    converted = _converter().convert(text).replace("甚么", "什么").replace("麽", "么")
    converted = _PARTICLE.sub("着", converted)
    changed = {old for old, new in zip(text, converted, strict=False) if old != new}
    return text if len(text) == len(converted) and changed <= _IN_BOTH else converted


@lru_cache(maxsize=1)
def _converter() -> _Converter:
    from opencc import OpenCC

    return cast(_Converter, OpenCC("t2s"))
