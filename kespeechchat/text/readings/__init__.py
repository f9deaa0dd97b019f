"""What a text says: words for everything that is written as figures, signs or abbreviations.

    readings.spoken_text("Music of the 1990s", "en")    what a voice is given
    readings.read(text, "en").forms                     each written form, its kind and its words

A library that reads numbers (wetext) reads them without the sentence, so it takes 1990s for seconds and 1:10 for ten
past one. Here the sentence decides. A written form belongs to a kind (a score, a ratio, a decade, a telephone number);
each kind has rules, and a form that the rules cannot place stays as it is and is reported, never guessed:
`speakability.problems` gives `ambiguous_number` for it.

The package is called `readings` after the question it answers: how is this read? Where to find what:

* `forms`: what a rule is, and how rules share a text;
* `numbers_en`, `numbers_zh`: number words;
* `tables_en`, `tables_zh`: units, currencies, months, abbreviations, as plain data;
* `en`, `zh`: the rules of a language, one file for each group of kinds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kespeechchat.records import Language
from kespeechchat.text.han import simplified
from kespeechchat.text.readings import en, zh
from kespeechchat.text.readings.forms import Form, Kind, Rule, find

__all__ = ["Form", "Kind", "Reading", "read", "spoken_text"]

_RULES: dict[Language, tuple[Rule, ...]] = {"en": en.RULES, "zh": zh.RULES}
_WIDE = {ord("％"): "%", ord("＋"): "+", ord("－"): "-", ord("．"): ".", ord("／"): "/", ord("＄"): "$", ord("＝"): "="}
_ORDINARY = {
    **{ord("０") + n: str(n) for n in range(10)},
    **{ord("Ａ") + n: chr(ord("A") + n) for n in range(26)},
    **{ord("ａ") + n: chr(ord("a") + n) for n in range(26)},
    **_WIDE,
}
_STOP = re.compile(r"(?<![0-9０-９])．|．(?![0-9０-９])")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_SENTENCE_START = re.compile(r"(?:^|[.!?]['’)]?\s)\s*[‘'(]*$")


@dataclass(frozen=True)
class Reading:
    """`written` is the text that was given, simplified and with ordinary digits; `text` has words for its `forms`, but
    for those in doubt."""

    written: str
    text: str
    forms: tuple[Form, ...]

    @property
    def doubtful(self) -> list[Form]:
        """The forms that stay as they are, for the sentence does not say how they are read."""
        return [form for form in self.forms if form.words is None]


def spoken_text(text: str, language: Language) -> str:
    """`text` as it is said, without digits, signs and abbreviations; as it is written where any reading is in doubt.

    Half a reading would hide the doubt: the words for one number are no longer the evidence for the next. Text without
    written forms comes back as it is, Chinese in simplified characters. Never raises for a known language.

    >>> spoken_text("He won the 200 m race in the 1990s.", "en")
    'He won the two hundred meters race in the nineteen nineties.'
    >>> spoken_text("按比例1:10稀释。", "zh")
    '按比例一比十稀释。'
    """
    reading = read(text, language)
    return reading.written if reading.doubtful else reading.text


def read(text: str, language: Language) -> Reading:
    """The written forms of `text`, by kind, and the text with their words."""
    plain = (_STOP.sub("。", simplified(text)) if language == "zh" else text).translate(_ORDINARY)
    forms = find(plain, _RULES[language])
    parts, at = [], 0
    for form in forms:
        start, end = _without_spaces(form, plain, at) if language == "zh" else (form.start, form.end)
        parts.append(plain[at:start])
        starts = language == "en" and _SENTENCE_START.search("".join(parts[-4:]))
        parts.append(_words(form, bool(starts)))
        at = end
    return Reading(plain, "".join([*parts, plain[at:]]), tuple(forms))


def _without_spaces(form: Form, text: str, at: int) -> tuple[int, int]:
    """Where the form begins and ends with the spaces that set figures apart from Chinese characters: 共 9 个."""
    start, end = form.start, form.end
    if not form.words:
        return start, end
    apart = start - 2 >= at and text[start - 1] == " " and text[end : end + 1] == " "
    if form.kind in ("count", "range", "arithmetic") and text[end : end + 1] == " " and zh.MEASURE.match(text, end):
        end += 1
        return (start - 1 if apart and _HAN.match(text[start - 2]) else start), end
    if apart and _HAN.match(text[start - 2]) and _HAN.match(text[end + 1 : end + 2]):
        return start - 1, end + 1
    return start, end


def _words(form: Form, starts: bool) -> str:
    """The words of a form, with a capital where they begin a sentence; in doubt, what is written."""
    words = form.written if form.words is None else form.words
    if starts and words and not form.written[0].islower():
        return words[0].upper() + words[1:]
    return words
