"""Character, word and syllable error rates: edits (substitutions, insertions, deletions) by units of the reference.

Edits and units are kept apart so that rates can be pooled: a dialogue's rate is the edits of all its turns over the
units of all its turns, not a mean of rates that lets a two-word turn count as much as a long one.

**An empty reference** (nothing left after normalization) has 0 units; every unit of the transcript is an insertion. A
rate over 0 units divides by 1: 0.0 where nothing was recognized either, else the number of insertions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from kespeechchat.records import Language
from kespeechchat.text.normalize import normalize

METRICS: dict[Language, str] = {"zh": "CER", "en": "WER"}


@dataclass(frozen=True)
class Edits:
    """`edits` that turn the reference into the transcript, of `units` in the reference. Adds up."""

    edits: int
    units: int

    @property
    def rate(self) -> float:
        return self.edits / max(self.units, 1)

    def __add__(self, other: Edits) -> Edits:
        return Edits(self.edits + other.edits, self.units + other.units)


def error_edits(reference: str, hypothesis: str, language: Language) -> Edits:
    """Edits between the normalized texts: of characters, spaces aside (zh, CER), or of words (en, WER).

    >>> error_edits("一共230块。", "一共二百三十块", "zh")
    Edits(edits=0, units=7)
    """
    return _edits(_units(reference, language), _units(hypothesis, language))


def cer(reference: str, hypothesis: str, language: Language) -> float:
    """Error rate of one pair over characters, spaces aside, in either language; both texts are normalized."""
    return _edits(_characters(reference, language), _characters(hypothesis, language)).rate


def syllable_edits(reference: str, hypothesis: str, tones: bool = True) -> Edits:
    """Edits over Chinese syllables (pinyin by pypinyin, in context; with `tones` 1 to 4 and 5 for the neutral one) and
    Latin words.

    A homophone is no error here: a small recognizer's 他/她 and 再/在 say nothing about the speech. It is
    another metric than the CER, to be named where it is used.
    """
    return _edits(syllables(reference, tones), syllables(hypothesis, tones))


def characters(text: str, language: Language) -> int:
    """Characters of the normalized text, spaces and punctuation aside: the unit of speaking rates."""
    return len(_characters(text, language))


def pooled(parts: Iterable[Edits]) -> float:
    """The rate of all parts together; 0.0 for none."""
    return sum(parts, start=Edits(0, 0)).rate


def _edits(reference: list[str], hypothesis: list[str]) -> Edits:
    return Edits(Levenshtein.distance(reference, hypothesis), len(reference))


def _units(text: str, language: Language) -> list[str]:
    return _characters(text, language) if language == "zh" else normalize(text, language).split()


def _characters(text: str, language: Language) -> list[str]:
    return list(normalize(text, language).replace(" ", ""))


_RUNS = re.compile(r"[^\s\u3400-\u9fff]+|[\u3400-\u9fff]+")


def syllables(text: str, tones: bool = True) -> list[str]:
    """The syllables and Latin words of a Chinese text, normalized, in order."""
    spell = _pinyin()
    out: list[str] = []
    for run in _RUNS.findall(normalize(text, "zh")):
        out += spell(run, tones) if "\u3400" <= run[0] <= "\u9fff" else [run]
    return out


@lru_cache(maxsize=1)
def _pinyin():
    from pypinyin import Style, lazy_pinyin

    def spell(run: str, tones: bool) -> list[str]:
        style = Style.TONE3 if tones else Style.NORMAL
        return lazy_pinyin(run, style=style, neutral_tone_with_five=tones, errors=list)

    return spell
