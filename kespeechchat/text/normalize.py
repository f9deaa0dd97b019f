"""A text as it may be spoken: its segments with their readings, and the likeliest reading as a text.

Both languages begin alike: compatibility forms (NFKC) and one form of each quotation mark and dash. Then the rules of
`spelling` read what is written in digits, signs, abbreviations and letters.

* zh: simplified characters (OpenCC), no punctuation, no spaces but between Latin words, Latin lower-cased;
* en: lower case, contractions spelled out, American spellings, no punctuation but the apostrophe of 'd.

Homophones stay as they are: 他 for 她 is an error here (see `error_rate.syllable_edits`).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from kespeechchat.records import Language
from kespeechchat.text.spelling.chinese import chinese
from kespeechchat.text.spelling.english import english
from kespeechchat.text.spelling.english_words import one_wording
from kespeechchat.text.spelling.scanner import Readings, unique

if TYPE_CHECKING:
    from opencc import OpenCC

_LOOKALIKES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "⁄": "/", "−": "-", "–": "-", "—": " "})
_MIXED_FRACTION = re.compile(r"(?<=[0-9])(?=[\u00bc-\u00be\u2150-\u215e])")  # NFKC would make 2½ to 21/2
_SIGNS = frozenset("'-.,:/$£€¥%&@+=#~°×÷§")
_HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SPACE_BY_HAN = re.compile(rf"(?<=[{_HAN}])\s+|\s+(?=[{_HAN}])")


def segments(text: str, language: Language) -> list[Readings]:
    """The segments of `text` in order, each with its readings in normalized words, the likeliest first. Takes any
    string. Raises ValueError for a language other than zh and en.

    >>> segments("on May 3rd", "en")
    [('on',), ('may third', 'may the third')]
    """
    text = _MIXED_FRACTION.sub(" ", text.encode(errors="ignore").decode())
    text = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)
    match language:
        case "zh":
            return [_clean(s) for s in chinese(_simplified(text))]
        case "en":
            return [_clean(s) for s in english(text if text.isascii() else _known(text))]
    raise ValueError(f"no normalization for language {language!r}: zh or en")


def normalize(text: str, language: Language) -> str:
    """The likeliest reading of `text`. Takes any string; a second time it changes nothing.

    >>> normalize("他花了230塊錢。", "zh")
    '他花了二百三十块钱'
    >>> normalize("It's my favourite colour, isn't it?", "en")
    'it is my favorite color is not it'
    """
    words = " ".join(" ".join(segment[0] for segment in segments(text, language)).split())
    return one_wording(words) if language == "en" else _SPACE_BY_HAN.sub("", words)


def _clean(segment: Readings) -> Readings:
    """Lower-case letters and digits of any script and the apostrophe between letters; no reading twice."""
    if len(segment) == 1:
        return (_letters(segment[0]),)
    return unique([_letters(reading) for reading in segment])


def _letters(text: str) -> str:
    """Lower case can undo NFKC (İ becomes i and a combining dot), and the other way round."""
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _known(text)).lower())
    return _NO_WORD.sub(" ", text) if not text.isalpha() else text


_NO_WORD = re.compile(r"[^\w ']|_|(?<!\w)'|'(?!\w)")


def _known(text: str) -> str:
    """Letters and digits of any script and the signs that rules read; marks that combine go, the rest is a space."""
    out = []
    for char in text:
        kind = unicodedata.category(char)[0]
        out.append(char if kind in "LN" or char in _SIGNS else "" if kind == "M" else " ")
    return unicodedata.normalize("NFKC", "".join(out))


@lru_cache(maxsize=1)
def _converter() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")


def _simplified(text: str) -> str:
    return str(_converter().convert(text)).replace("甚么", "什么").replace("麽", "么")
