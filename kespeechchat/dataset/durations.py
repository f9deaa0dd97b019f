"""How long each character of a text is spoken, in frames, from the times of the words that a recognizer heard.

A word's time is spread evenly over its characters (KE-Omni, arXiv 2412.01078). Text and transcript are aligned by edit
distance over letters and digits, so a misheard word takes the place of the right one; characters for which nothing
was heard are interpolated. Pauses go to the punctuation or space at that place, else to the character before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from kespeechchat.records import Word

_LETTER = r"[^\W_\u3400-\u9fff\U00020000-\U0003ffff]"  # not a Chinese character: of words that spaces part
_WORD_GOES_ON = re.compile(rf"{_LETTER}(?:['’-]?{_LETTER}|(?<=\d)[.,:]\d)")


class NothingHeard(ValueError):
    """There is no text, or no word was heard of it."""


def character_frames(text: str, words: Sequence[Word], frames: int, rate: float) -> list[int]:
    """Frames of each character of `text` (one number a code point); they sum to `frames`, at `rate` frames a second.

    Raises NothingHeard for an empty text, and where no word was heard.

    >>> character_frames("Oh, no", [Word("Oh", 0.0, 0.2), Word("no", 0.4, 0.6)], 30, 50)
    [5, 5, 5, 5, 5, 5]
    """
    heard = [(c, start, end) for word in words for c, start, end in _spread(word)]
    if not text or not heard:
        raise NothingHeard("an empty text has no durations" if not text else "no word was heard")
    bounds = np.full(len(text) + 1, np.nan)
    for at, start, end in _times(text, heard):  # in the order of the text: a later start replaces an earlier end
        bounds[at], bounds[at + 1] = start * rate, end * rate
    bounds[0], bounds[-1] = 0, frames
    known = np.flatnonzero(~np.isnan(bounds))
    filled = np.interp(np.arange(len(bounds)), known, np.clip(bounds[known], 0, frames))
    whole = np.rint(np.maximum.accumulate(filled)).astype(int)
    whole[-1] = frames
    durations: list[int] = np.diff(whole).tolist()
    return durations


def text_until(text: str, words: Sequence[Word], seconds: float) -> str:
    """What of `text` is heard up to `seconds`, to the end of the word that was reached; all of it where the cut is
    behind its last word, nothing where no word was reached.

    >>> text_until("Oh, no, my friend!", [Word("Oh", 0.0, 0.2), Word("no", 0.4, 0.6), Word("my", 0.7, 0.9)], 0.5)
    'Oh, no'
    """
    heard = [(c, start, end) for word in words for c, start, end in _spread(word)]
    times = _times(text, heard)
    reached = [at for at, start, _ in times if start < seconds]
    if not reached:
        return ""
    if max(reached) >= max(at for at, _, _ in times):
        return text
    end = max(reached) + 1
    while rest := _WORD_GOES_ON.match(text, end - 1):  # a word that began is said as a word
        end = rest.end()
    return text[:end]


def _spread(word: Word) -> list[tuple[str, float, float]]:
    """(character, start, end) of a word's letters and digits."""
    characters = [_folded(c) for c in word.text if _spoken(c)]
    edges = np.linspace(word.start, max(word.start, word.end), len(characters) + 1)
    return list(zip(characters, edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _times(text: str, heard: Sequence[tuple[str, float, float]]) -> list[tuple[int, float, float]]:
    """(index in `text`, start, end) of the characters that something was heard for."""
    places = [i for i, c in enumerate(text) if _spoken(c)]
    found = []
    for step in Levenshtein.opcodes([_folded(text[i]) for i in places], [c for c, *_ in heard]):
        if step.tag in ("equal", "replace"):
            pairs = zip(range(step.src_start, step.src_end), range(step.dest_start, step.dest_end), strict=True)
            found += [(places[i], *heard[j][1:]) for i, j in pairs]
    return found


def _spoken(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"


@lru_cache(maxsize=20_000)
def _folded(character: str) -> str:
    """Lower case, compatibility forms and simplified characters, so that two spellings of a sound's sign are one."""
    simplified: str = _converter().convert(unicodedata.normalize("NFKC", character).casefold())
    return simplified


@lru_cache(maxsize=1)
def _converter() -> Any:  # opencc has no types
    from opencc import OpenCC

    return OpenCC("t2s")
