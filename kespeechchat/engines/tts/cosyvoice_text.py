"""Long text in pieces that CosyVoice speaks well: its LLM drifts, repeats and skips on long input."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

_BREAKS = (
    re.compile(r"(?:[。！？；!?;…\n]+|\.(?=[\s”’」』\"')）]|$))[”’」』\"')）]*\s*"),  # after a sentence
    re.compile(r"[，、：,:—]+\s*"),  # after a clause
    re.compile(r"\s+"),  # between words
)


def pieces(text: str, count: Callable[[str], int], limit: int) -> list[str]:
    """`text` cut after sentences, else clauses, else words, else anywhere, into pieces of at most `limit` tokens.

    `count` gives a text's tokens. As few pieces as filling one after the other allows; a last piece under a quarter of
    `limit` joins the one before it (which may then exceed `limit` by as much), since a lone word is spoken badly.
    Joined, the pieces are the text; those without a letter or digit are dropped, white space at their ends too.
    """
    filled: list[str] = []
    for part in _parts(text, count, limit, 0):
        if filled and count(filled[-1] + part) <= limit:
            filled[-1] += part
        else:
            filled.append(part)
    if len(filled) > 1 and count(filled[-1]) < limit // 4:
        filled[-2:] = [filled[-2] + filled[-1]]
    return [piece.strip() for piece in filled if speakable(piece)]


def speakable(text: str) -> bool:
    """Whether there is a letter, an ideograph or a digit to speak."""
    return any(c.isalnum() for c in text)


def _parts(text: str, count: Callable[[str], int], limit: int, level: int) -> list[str]:
    if len(text) < 2 or count(text) <= limit:
        return [text]
    if level == len(_BREAKS):
        cuts = [0, len(text) // 2, len(text)]
    else:
        ends = [m.end() for m in _BREAKS[level].finditer(text)]
        cuts = sorted({0, *ends, len(text)})
        level += 1
    return [part for a, b in pairwise(cuts) for part in _parts(text[a:b], count, limit, level)]
