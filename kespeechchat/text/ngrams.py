"""Texts as sets of n-grams of tokens, by which near duplicates and texts of benchmarks are found.

A token is one Chinese character, or a word of any other script. Width, case, composition, punctuation and spaces do not
count, so what differs in them alone has the same n-grams. Chinese has no spaces between its words, and a word has one
or two characters: the same code serves both languages, and Chinese that holds Latin words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence, Set

_HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+(?:'[^\W_{_HAN}]+)*")
_ASCII_TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")


def tokens(text: str) -> list[str]:
    """The tokens of `text`, in order; none of a text without letters and digits.

    >>> tokens("What’s Ｐython?"), tokens("我想学 Python！")
    (["what's", 'python'], ['我', '想', '学', 'python'])
    """
    if text.isascii():
        return _ASCII_TOKEN.findall(text.lower())
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return _TOKEN.findall(unicodedata.normalize("NFKC", text))


def ngrams(words: Sequence[str], n: int) -> set[str]:
    """The runs of `n` tokens in `words`. What has no more than `n` is one n-gram, whole; what has none has none.

    >>> sorted(ngrams(["what", "is", "rain"], 2)), ngrams(["rain"], 2)
    (['is rain', 'what is'], {'rain'})
    """
    if len(words) <= n:
        return {" ".join(words)} if words else set()
    return set(map(" ".join, zip(*(words[k:] for k in range(n)), strict=False)))


def jaccard(one: Set[str], other: Set[str]) -> float:
    """The share of n-grams that two texts have in common, of all that either has: 0 to 1; 0 where neither has any.

    >>> jaccard({"a", "b"}, {"b", "c"})
    0.3333333333333333
    """
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0
