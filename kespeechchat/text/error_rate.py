"""Character, word and syllable error rates: edits (substitutions, insertions, deletions) by units of the reference.

**Readings.** A written form has several readings: 1990s, 9 AM, 3:15. The edits are the least over the readings of both
texts, so that an error rate counts what was misheard and not how it was spelled (`text.spelling`).

**Units** are counted in the reference's first, likeliest reading, the one that `normalize` gives, whichever reading
has the least edits. So a reference has the same units for whatever was heard, and two transcripts of it compare.

Edits and units are kept apart so that rates can be pooled: a dialogue's rate is the edits of all its turns over the
units of all its turns, not a mean of rates that lets a two-word turn count as much as a long one.

**An empty reference** (nothing left after normalization) has 0 units; every unit of the transcript is an insertion. A
rate over 0 units divides by 1: 0.0 where nothing was recognized either, else the number of insertions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from kespeechchat.records import Language
from kespeechchat.text.normalize import normalize, segments
from kespeechchat.text.spelling.lattice import Alternatives, first_reading, least_edits

METRICS: dict[Language, str] = {"zh": "CER", "en": "WER"}


@dataclass(frozen=True)
class Edits:
    """`edits` that turn the reference into the transcript, of `units` in the reference. Adds up."""

    edits: int
    units: int

    @property
    def rate(self) -> float:
        """Edits by units; of no units, the edits."""
        return self.edits / max(self.units, 1)

    def __add__(self, other: Edits) -> Edits:
        return Edits(self.edits + other.edits, self.units + other.units)


def error_edits(reference: str, hypothesis: str, language: Language) -> Edits:
    """Edits between the texts: of characters, spaces aside (zh, CER), or of words (en, WER).

    >>> error_edits("一共230块。", "一共二百三十块", "zh")
    Edits(edits=0, units=7)
    """
    split = _characters if language == "zh" else _words
    return _edits(_units(reference, language, split), _units(hypothesis, language, split))


def syllable_edits(reference: str, hypothesis: str, tones: bool = True) -> Edits:
    """Edits over Chinese syllables (pinyin by pypinyin, in context; with `tones` 1 to 4 and 5 for the neutral one) and
    Latin words.

    A homophone is no error here: a small recognizer's 他/她 and 再/在 say nothing about the speech. It is
    another metric than the CER, to be named where it is used.
    """
    return _edits(_syllables(reference, tones), _syllables(hypothesis, tones))


def edits_in(unit: str, reference: str, hypothesis: str, language: Language) -> Edits:
    """Edits in what a profile names as its unit: `character` (zh), `syllable` (zh) or `word` (en)."""
    return syllable_edits(reference, hypothesis) if unit == "syllable" else error_edits(reference, hypothesis, language)


def syllables(text: str, tones: bool = True) -> list[str]:
    """The syllables and Latin words of a Chinese text in its likeliest reading, in order."""
    return first_reading(_syllables(text, tones))


def characters(text: str, language: Language) -> int:
    """Characters of the normalized text, spaces and punctuation aside: the unit of speaking rates."""
    return len(normalize(text, language).replace(" ", "").replace("'", ""))


def pooled(parts: Iterable[Edits]) -> float:
    """The rate of all parts together; 0.0 for none."""
    return sum(parts, start=Edits(0, 0)).rate


def _edits(reference: list[Alternatives], hypothesis: list[Alternatives]) -> Edits:
    return Edits(least_edits(reference, hypothesis), len(first_reading(reference)))


def _words(reading: str) -> tuple[str, ...]:
    return tuple(reading.split())


def _characters(reading: str) -> tuple[str, ...]:
    return tuple(reading.replace(" ", "").replace("'", ""))


def _units(text: str, language: Language, split: Callable[[str], tuple[str, ...]]) -> list[Alternatives]:
    return [tuple(dict.fromkeys(map(split, segment))) for segment in segments(text, language)]


_RUNS = re.compile(r"[^\s\u3400-\u9fff]+|[\u3400-\u9fff]+")


def _syllables(text: str, tones: bool) -> list[Alternatives]:
    """First readings are spelled in the context of the whole text, the others by themselves."""
    parts = segments(text, "zh")
    whole = "".join(part[0] for part in parts)
    spelled = _spelled(whole, tones)
    out: list[Alternatives] = []
    at = 0
    for part in parts:
        mine = tuple(unit for start, unit in spelled if at <= start < at + len(part[0]))
        at += len(part[0])
        out.append(tuple(dict.fromkeys([mine, *(_alone(reading, tones) for reading in part[1:])])))
    return out


@lru_cache(maxsize=4096)
def _alone(reading: str, tones: bool) -> tuple[str, ...]:
    return tuple(unit for _, unit in _spelled(reading, tones))


def _spelled(text: str, tones: bool) -> list[tuple[int, str]]:
    """Where each unit begins, and the unit: a character's syllable, or a Latin word."""
    from pypinyin import Style, lazy_pinyin

    style = Style.TONE3 if tones else Style.NORMAL
    out: list[tuple[int, str]] = []
    for run in _RUNS.finditer(text):
        if "\u3400" <= run[0][0] <= "\u9fff":
            # pypinyin takes a function of the unknown text, and declares a narrower one
            units = lazy_pinyin(run[0], style, errors=list, neutral_tone_with_five=tones)  # type: ignore[arg-type]
        else:
            units = [run[0]]
        out += [(run.start() + i, unit) for i, unit in enumerate(units)]
    return out
