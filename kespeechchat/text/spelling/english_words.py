"""The words of an English text that are not said as they are written: contractions, abbreviations, Roman numerals,
letters. Every other word has one reading, in its American spelling."""

from __future__ import annotations

import re

from kespeechchat.text.spelling.american import american
from kespeechchat.text.spelling.english_numbers import (
    ONES,
    ORDINAL_ONES,
    ORDINAL_TENS,
    TENS,
    cardinal,
    ordinal,
)
from kespeechchat.text.spelling.scanner import Readings, unique

_WORD = re.compile(r"'?[^\W_]+(?:['-][^\W_]+)*'?")

_FIXED: dict[str, Readings] = {
    "won't": ("will not",),
    "can't": ("can not",),
    "shan't": ("shall not",),
    "ain't": ("is not", "am not", "are not", "has not", "have not", "aint"),
    "let's": ("let us",),
    "'em": ("them",),
    "'cause": ("because", "cause"),
    "'til": ("until", "till", "til"),
    "'tis": ("it is",),
    "'twas": ("it was",),
    "y'all": ("you all",),
    "o'clock": ("oclock",),
    "mr": ("mister",),
    "messrs": ("messieurs",),
    "vs": ("versus",),
    "etc": ("et cetera",),
    "approx": ("approximately",),
    "prof": ("professor", "prof"),
    "blvd": ("boulevard",),
    "tv": ("tv", "t v", "television"),
    "phd": ("p h d", "phd"),
}
_WITH_DOT: dict[str, Readings] = {  # words without a dot are often other words
    "capt": ("captain",),
    "col": ("colonel",),
    "gen": ("general",),
    "lt": ("lieutenant",),
    "sgt": ("sergeant",),
    "gov": ("governor",),
    "sen": ("senator",),
    "rep": ("representative",),
    "rev": ("reverend",),
    "hon": ("honorable",),
    "jr": ("junior",),
    "sr": ("senior",),
    "mt": ("mount",),
    "ft": ("fort",),
    "ave": ("avenue",),
    "rd": ("road",),
    "dept": ("department",),
    "inc": ("incorporated", "inc"),
    "ltd": ("limited",),
    "co": ("company", "co"),
    "fig": ("figure",),
    "vol": ("volume",),
    "pp": ("pages",),
}
_BEFORE_OR_AFTER = {"dr": ("doctor", "drive"), "st": ("saint", "street")}  # a name
# After these 's is short for "is" or "has"; after any other word it is first of all the possessive.
_IS = re.compile(r"it|s?he|th(?:at|is|ere)|here|wh(?:at|o|ere|en|y)|how|every(?:thing|one)|something")
_ENDINGS = {"n't": " not", "'re": " are", "'ll": " will", "'ve": " have", "'m": " am"}
_ROMAN = re.compile(r"X{0,3}(?:IX|IV|V?I{0,3})|MC?[MDCLXVI]{3,8}")
_NUMBERED = re.compile(r"(?i:chapter|part|war|book|volume|act|scene|phase|type|level|stage|section|appendix|title)")
_CROWNED = re.compile(
    r"(?i:henry|louis|charles|george|edward|william|james|elizabeth|mary|philip|napoleon|peter|catherine|nicholas|"
    r"alexander|frederick|richard|john|paul|pius|benedict|ptolemy|cleopatra|king|queen|pope|emperor)"
)
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def words(text: str, shouted: bool) -> list[Readings]:
    """The words of `text` in order. `shouted`: the whole text is in capitals, so that capitals say nothing."""
    out: list[Readings] = []
    before = ""
    for found in _WORD.finditer(text):
        token, rest = found[0], text[found.end() : found.end() + 3]  # a dot, a space, a letter
        out.append(_read(token, before, rest, shouted))
        before = token
    return out


def _read(token: str, before: str, rest: str, shouted: bool) -> Readings:
    low = token.lower()
    if "-" in token:
        return _hyphened(token, before, rest, shouted)
    if low in _FIXED:
        return _FIXED[low]
    if low in _BEFORE_OR_AFTER:
        return _title_or_place(low, before, rest)
    if low in _WITH_DOT and rest.startswith("."):
        return _WITH_DOT[low]
    if "'" in token:
        return _contracted(low)
    if not shouted and (roman := _roman(token, before)):
        return roman
    if not shouted and re.fullmatch(r"[A-Z]{2,5}s?", token) and token not in ("OK", "OKs"):
        return _capitals(token)
    return (american(low),)


def _hyphened(token: str, before: str, rest: str, shouted: bool) -> Readings:
    """Wi-Fi is two words or one; twenty-five is two, and what has more parts is as many."""
    parts = token.split("-")
    spoken = " ".join(_read(part, before, rest, shouted)[0] for part in parts)
    whole = token.lower().replace("-", "")
    single = len(parts) == 2 and whole.isalpha() and _NUMBER_WORDS.isdisjoint(token.lower().split("-"))
    return (spoken, american(whole)) if single else (spoken,)


def _title_or_place(low: str, before: str, rest: str) -> Readings:
    """Dr. before a name is a doctor, after a name a drive; both are possible between two names."""
    title, place = _BEFORE_OR_AFTER[low]
    ahead, behind = bool(re.match(r"\.? [^\W\d_]", rest)), bool(before)
    if ahead and not before[:1].isupper():
        return (title,)
    if behind and not ahead:
        return (place,) if before[:1].isupper() else (title, place)
    named = bool(re.match(r"\.? [^\W\d_a-z]", rest))
    return (title, place) if named else (place,) if ahead and behind else (title,)


def _contracted(low: str) -> Readings:
    """Readings of a lower-case word with apostrophes."""
    low = low.removeprefix("'")
    if low.endswith("in'"):
        return (american(low[:-1]), american(low[:-1] + "g"))
    low = low.removesuffix("'")
    head, apostrophe, tail = low.rpartition("'")
    if not apostrophe:
        return (american(low),)
    if tail == "s":
        spoken = [f"{american(head)} is", f"{american(head)} has", american(head + tail)]
        return unique(spoken if _IS.fullmatch(head) else [spoken[-1], *spoken[:2]]) if "'" not in head else (low,)
    if tail == "d":
        return (low, f"{head} had", f"{head} would", f"{head} did")
    for ending, expanded in _ENDINGS.items():
        if low.endswith(ending) and len(low) > len(ending):
            return ((low.removesuffix(ending) + expanded).replace("'", ""),)
    return (american(low.replace("'", "")),)


def _roman(token: str, before: str) -> Readings | None:
    if not _ROMAN.fullmatch(token):
        return None
    after_name = bool(before) and bool(_CROWNED.fullmatch(before))
    if len(token) == 1 and not (after_name or _NUMBERED.fullmatch(before)):
        return None
    values = [_VALUES[c] for c in token]
    value = sum(-v if any(w > v for w in values[i + 1 : i + 2]) else v for i, v in enumerate(values))
    low = token.lower()
    spoken = [low, " ".join(low), cardinal(value), f"the {ordinal(value)}", ordinal(value)]
    if value > 1000:
        spoken.append(f"{cardinal(value // 100)} {cardinal(value % 100)}")
    return unique(spoken)


def _capitals(token: str) -> Readings:
    """NASA, US, TVs: as a word, or letter by letter."""
    low, letters = token.lower(), " ".join(token.rstrip("s").lower())
    spelled = letters + ("s" if token.endswith("s") else "")
    also = (f"{token[0].lower()} m",) if token in ("AM", "PM") else ()
    return unique((american(low), spelled, *also))


_NUMBER_WORDS = frozenset([*ONES, *TENS[2:], *ORDINAL_ONES, *ORDINAL_TENS])
_NUMBER = "|".join(sorted(_NUMBER_WORDS))
_RUN_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"\b(hundred|thousand|million|billion) and (?=(?:{_NUMBER})\b)"), r"\1 "),
    (re.compile(r"\ba (?=(?:hundred|thousand|million|billion|trillion)\b)"), "one "),
    (re.compile(r"\bper cent\b"), "percent"),
    (re.compile(r"\bo clock\b"), "oclock"),
    (re.compile(rf"\b({_NUMBER}|oclock) ([ap])m\b"), r"\1 \2 m"),
)
_OH = re.compile(rf"\b({_NUMBER})((?: (?:oh|o))+)(?= (?:{_NUMBER})\b)")


def one_wording(run: str) -> str:
    """Number words of which a digit does not tell which was said, in one wording: "a hundred" as "one hundred", "oh"
    between numbers as "zero", no "and" inside a number. Nothing else is changed.

    >>> one_wording("a hundred and five people in nineteen oh six")
    'one hundred five people in nineteen zero six'
    """
    for pattern, instead in _RUN_RULES:
        run = pattern.sub(instead, run)
    return _OH.sub(lambda found: found[1] + " zero" * found[2].count(" "), run)
