"""One written form for what is said alike, so that an error rate counts what was misheard and not how it was spelled.

Reference and transcript go through the same steps: compatibility forms (NFKC), numbers, dates and units as words
(wetext, only where a text has digits or such symbols), then per language

* zh: simplified characters (OpenCC), 两 as 二 and 幺 as 一 (a digit does not say which was spoken), no punctuation, no
  spaces but between Latin words, Latin lower-cased;
* en: lower case, contractions spelled out, British spellings as American ones, no punctuation.

Homophones stay as they are: 他 for 她 is an error here (see `error_rate.syllable_edits`).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from kespeechchat.records import Language
from kespeechchat.text.english import to_american

_WRITTEN = re.compile(r"[0-9%$£€¥&@+=°℃℉]")  # what a reader says as words
_LOOKALIKES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "⁄": "/", "−": "-", "–": "-", "—": " "})
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")

_AND_IN_NUMBER = re.compile(
    r"\b(hundred|thousand|million|billion) and (?=(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|"
    r"ninety|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth)\b)"
)
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_DAY_OF_MONTH = re.compile(
    rf"\bthe ((?:twenty |thirty )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|"
    rf"thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth)) "
    rf"of ({_MONTHS})\b"
)
_CENTS = re.compile(r"\$([0-9]+)\.([0-9]{2})(?![0-9])")
_DECADE = re.compile(r"\b([0-9]{2})([2-9])0'?s\b")
_DECADES = {
    "2": "twenties",
    "3": "thirties",
    "4": "forties",
    "5": "fifties",
    "6": "sixties",
    "7": "seventies",
    "8": "eighties",
    "9": "nineties",
}
_DIGITS_EN = dict(enumerate(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")))
_DIGITS_ZH = str.maketrans("0123456789", "零一二三四五六七八九")

_SPOKEN_ALIKE_ZH = str.maketrans("两幺〇妳", "二一零你")
_HALF_PAST = re.compile(r"(?<=[一二三四五六七八九十])点三十分")
# t2s keeps 著 (in 著名 it is right); a Chinese-script recognizer in Taiwan's spelling means 着 by it elsewhere.
_PARTICLE = re.compile(r"(?<![显卓土原名专巨论编合译拙])著(?![名作称述者书录重])")
_HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SPACE_BY_HAN = re.compile(rf"(?<=[{_HAN}])\s+|\s+(?=[{_HAN}])")


def normalize(text: str, language: Language) -> str:
    """`text` in the form that error rates compare. Takes any string; a second time it changes nothing.

    >>> normalize("他花了230塊錢。", "zh")
    '他花了二百三十块钱'
    >>> normalize("It's my favourite colour, isn't it?", "en")
    'it is my favorite color is not it'
    """
    text = unicodedata.normalize("NFKC", text.encode(errors="ignore").decode()).translate(_LOOKALIKES)
    match language:
        case "zh":
            return _zh(text)
        case "en":
            return _en(text)
    raise ValueError(f"no normalization for language {language!r}: zh or en")


def _zh(text: str) -> str:
    text = _simplified(text)
    if _WRITTEN.search(text):
        text = _simplified(_spelled(_THOUSANDS.sub("", text), "zh")).translate(_DIGITS_ZH)
    text = _PARTICLE.sub("着", _lower(text)).translate(_SPOKEN_ALIKE_ZH)
    text = _HALF_PAST.sub("点半", _without_punctuation(text, keep=""))
    return _SPACE_BY_HAN.sub("", _one_spaced(text))


def _en(text: str) -> str:
    if _WRITTEN.search(text):
        text = _CENTS.sub(r"\1 dollars and \2 cents", _THOUSANDS.sub("", text))
        text = _DECADE.sub(lambda m: f"{m[1]} {_DECADES[m[2]]}", text)
        text = _spelled(text, "en")
    text = re.sub("[0-9]", lambda m: f" {_DIGITS_EN[int(m[0])]} ", _lower(text))
    text = to_american(_one_spaced(_without_punctuation(text, keep="'")))
    text = _AND_IN_NUMBER.sub(r"\1 ", text)
    return _DAY_OF_MONTH.sub(r"\2 \1", text)


def _lower(text: str) -> str:
    # Lower case can undo NFKC (İ becomes i and a combining dot), and the other way round.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())


def _without_punctuation(text: str, keep: str) -> str:
    """Letters and digits of any script, and `keep`; marks that combine are dropped, the rest becomes a space."""
    out = []
    for char in text:
        kind = unicodedata.category(char)[0]
        out.append(char if kind in "LN" or char in keep else "" if kind == "M" else " ")
    return unicodedata.normalize("NFKC", "".join(out))


def _one_spaced(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=1)
def _converter():
    from opencc import OpenCC

    return OpenCC("t2s")


def _simplified(text: str) -> str:
    return _converter().convert(text).replace("甚么", "什么").replace("麽", "么")


@lru_cache(maxsize=2)
def _speller(language: Language):
    from wetext import Normalizer

    return Normalizer(lang=language, operator="tn")


def _spelled(text: str, language: Language) -> str:
    """Numbers, dates, units and signs as words. A text that wetext's grammar does not take, control characters say,
    stays as it is."""
    try:
        return _speller(language).normalize(text) or text
    except AssertionError:  # how wetext meets a text without a path through its grammar
        return text
