"""Which words of a document become speech: spans drawn until they hold the wanted share of its words.

Span lengths come from a Poisson distribution (arXiv 2411.17607: mean 10 words), none of them empty, and no span is cut
to hit the share: the last one may pass it. A span stays in one paragraph, holds only words that a voice can say, and
leaves at least a word of text between itself and the next; its place is uniform over all places that are left. Where
the places that are left are shorter than a length that was drawn, the span is as long as the longest of them; one word
of a document always stays text. Every draw is a hash of (seed, document, draw), so a document has its spans whoever
draws them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from kespeechchat.records import Language
from kespeechchat.seeds import stable_uniform
from kespeechchat.text.interleaving.words import Word
from kespeechchat.text.speakability import speakable


@dataclass(frozen=True)
class Span:
    """Characters [start, end) of a document, `words` of it, which a voice of `language` reads as `said`."""

    start: int
    end: int
    words: int
    language: Language
    said: str


@dataclass(frozen=True)
class Drawn:
    """The spans of a document in order; `unspeakable`: how many were drawn that no voice could say."""

    spans: tuple[Span, ...]
    unspeakable: int


_Run = tuple[int, int]  # words [start, end) that may become speech


def draw(text: str, paragraphs: Sequence[Sequence[Word]], ratio: float, mean: float, *seed: object) -> Drawn:
    """The spans of `text`, whose words are `paragraphs`. `ratio`: share of the words from which no more are drawn;
    `mean`: of the distribution of lengths, in words. The same `seed` gives the same spans."""
    words = [word for paragraph in paragraphs for word in paragraph]
    runs = _runs(paragraphs)
    spans: list[Span] = []
    spoken = unspeakable = attempt = 0
    while runs and spoken < ratio * len(words) and spoken < len(words) - 1:
        wanted = poisson(mean, stable_uniform(*seed, attempt, "length"))
        length = min(max(1, wanted), max(b - a for a, b in runs), len(words) - 1 - spoken)
        start = _place(runs, length, stable_uniform(*seed, attempt, "place"))
        attempt += 1
        span = _span(text, words[start : start + length])
        gap = 0 if span is None else 1
        runs = _without(runs, start - gap, start + length + gap)
        if span is None:
            unspeakable += 1
        else:
            spans.append(span)
            spoken += length
    return Drawn(tuple(sorted(spans, key=lambda span: span.start)), unspeakable)


def poisson(mean: float, uniform: float) -> int:
    """The quantile of the Poisson distribution at `uniform` in [0, 1): drawn from it, where that is uniform.

    >>> [poisson(10, u) for u in (0.0, 0.5, 0.999)]
    [0, 10, 21]
    """
    count, term = 0, math.exp(-mean)
    total = term
    while uniform >= total and count < 20 * mean + 100:
        count += 1
        term *= mean / count
        total += term
    return count


def _runs(paragraphs: Sequence[Sequence[Word]]) -> list[_Run]:
    """Runs of words of one paragraph that a voice can say."""
    runs: list[_Run] = []
    at = 0
    for paragraph in paragraphs:
        begin: int | None = None
        for word in paragraph:
            if word.said is not None and begin is None:
                begin = at
            elif word.said is None and begin is not None:
                runs.append((begin, at))
                begin = None
            at += 1
        if begin is not None:
            runs.append((begin, at))
    return runs


def _place(runs: Sequence[_Run], length: int, uniform: float) -> int:
    """The first word of a span of `length` words, uniform over all places for it."""
    places = [max(0, b - a - length + 1) for a, b in runs]
    at = int(uniform * sum(places))
    for (a, _), count in zip(runs, places, strict=True):
        if at < count:
            return a + at
        at -= count
    raise ValueError(f"no run holds {length} words")


def _without(runs: Sequence[_Run], start: int, end: int) -> list[_Run]:
    """`runs` without the words [start, end)."""
    left = []
    for a, b in runs:
        left += [(a, min(b, start)), (max(a, end), b)] if a < end and b > start else [(a, b)]
    return [(a, b) for a, b in left if a < b]


def _span(text: str, words: Sequence[Word]) -> Span | None:
    """The words as one span; None where a voice could say each of them but not all of them together."""
    said = [words[0].said or ""]
    for before, word in pairwise(words):
        said += [text[before.end : word.start], word.said or ""]
    spoken = re.sub(r"\s+", " ", "".join(said)).strip()
    language: Language = "zh" if any(word.han for word in words) else "en"
    if speakable(spoken, language) is not None:
        return None
    return Span(words[0].start, words[-1].end, len(words), language, spoken)
