"""When each character and word of a text is spoken, from the times of the words that a recognizer heard.

A word's time is spread evenly over its characters (KE-Omni, arXiv 2412.01078). Text and transcript are aligned by edit
distance over letters and digits. Where they differ, as in "one hundred" and "100", what was heard instead is spread
evenly over the characters; those for which nothing was heard are interpolated. Pauses go to the punctuation or space at
that place, else to the character before.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from kespeechchat.records import Word
from kespeechchat.text.interleaving.words import word_places

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


def timed_words(text: str, words: Sequence[Word], seconds: float) -> list[Word]:
    """The words of `text` as it is written, each with when it is said in speech of `seconds`; in order, and none begins
    before another ends. A word of which nothing was heard gets its share of the time between its neighbours. Raises
    NothingHeard where no word was heard.

    >>> timed_words("Oh, no!", [Word("O", 0.0, 0.2), Word("No.", 0.4, 0.6)], 1.0)
    [Word(text='Oh,', start=0.0, end=0.2), Word(text='no!', start=0.4, end=0.6)]
    """
    heard = [(c, start, end) for word in words for c, start, end in _spread(word)]
    if not heard:
        raise NothingHeard("no word was heard")
    times = {at: (start, end) for at, start, end in _times(text, heard)}
    places = word_places(text)
    edges = np.full(2 * len(places) + 2, np.nan)
    edges[0], edges[-1] = 0.0, seconds
    for n, (a, b) in enumerate(places):
        if inside := [times[at] for at in range(a, b) if at in times]:
            edges[2 * n + 1], edges[2 * n + 2] = min(s for s, _ in inside), max(e for _, e in inside)
    known = np.flatnonzero(~np.isnan(edges))
    filled = np.interp(np.arange(len(edges)), known, np.clip(edges[known], 0.0, seconds))
    starts, ends = np.maximum.accumulate(filled)[1:-1].reshape(-1, 2).T.tolist() if places else ((), ())
    return [Word(text[a:b], start, end) for (a, b), start, end in zip(places, starts, ends, strict=True)]


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
    steps = Levenshtein.opcodes([_folded(text[i]) for i in places], [c for c, *_ in heard])
    found = []
    for _, alike in groupby(steps, key=lambda step: step.tag == "equal"):
        block = list(alike)
        written, said = places[block[0].src_start : block[-1].src_end], heard[block[0].dest_start : block[-1].dest_end]
        if written and said:
            edges = np.linspace(0, len(said), len(written) + 1).tolist()
            found += [
                (at, _at(said, a), _at(said, b, end=True)) for at, (a, b) in zip(written, pairwise(edges), strict=True)
            ]
    return found


def _at(said: Sequence[tuple[str, float, float]], place: float, end: bool = False) -> float:
    """The time at a place between characters, by their number; `end`: of what ends there."""
    character = min(math.ceil(place) - 1 if end else math.floor(place), len(said) - 1)
    _, starts, ends = said[max(character, 0)]
    return starts + (place - character) * (ends - starts)


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
