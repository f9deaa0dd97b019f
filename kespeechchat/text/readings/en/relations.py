"""Two numbers and what stands between them: scores, ratios, ranges, fractions, dimensions, sums."""

from __future__ import annotations

import re

from kespeechchat.text.readings.en.patterns import NUMBER, RATIOS, SCORES, counts
from kespeechchat.text.readings.forms import InDoubt, Match, Rule, after, around, before
from kespeechchat.text.readings.numbers_en import cardinal, number, ordinal, plural
from kespeechchat.text.readings.tables_en import UNITS

_EDGE = r"(?<![\w.,/:$€£#])(?<![\w.,/:]-)"
_DONE = r"(?![\w/]|[-.,:][0-9])"
_RECORD = re.compile(r"\b(?:record|season)\b", re.I)
_RATED = re.compile(r"\b(?:rat(?:e[ds]?|ing)|score[ds]?|stars?|grade[ds]?|got|gave|give|out of|scale|marks?)\b", re.I)
_PART_OF = re.compile(
    r"\s+(?:of\b|cups?\b|teaspoons?\b|tablespoons?\b|tsp|tbsp|inch(?:es)?\b|miles?\b|"
    r"pounds?\b|hours?\b|ounces?\b|lbs?\b|oz\b|"
    r"full\b|empty\b|way\b|acres?\b|price\b|gallons?\b|pints?\b|quarts?\b|majority\b|in\.|"
    r"the\b|as\b|yards?\b|sheets?\b|chance\b)|-(?:inch|mile|cup|pound|hour)"
)
_ASKED = re.compile(r"\b(?:what is|what's|how much is|calculate|compute|solve|evaluate)\s+$", re.I)
_SIZES = re.compile(r"size|grid|matrix|room|resolution|print|inch|dimension|measur", re.I)
_SURE = {(1, 2), (1, 3), (2, 3), (1, 4), (3, 4)}
_SIGNS = {
    "+": "plus",
    "-": "minus",
    "−": "minus",
    "–": "minus",
    "*": "times",
    "×": "times",
    "x": "times",
    "/": "divided by",
    "÷": "divided by",
    "=": "equals",
}
_OPERATION = rf"\s?[-+*×x/÷−–]\s?{NUMBER}"
_EQUATION = re.compile(rf"{_EDGE}{NUMBER}(?:{_OPERATION})+(?:\s?=(?:\s?(?:{NUMBER}(?:{_OPERATION})*|\?))?)+(?!\w)")
_AFTER_EQUALS = re.compile(rf"(?:(?<==)|(?<== )){NUMBER}(?:(?:\s?[x×*÷+−]\s?|\s[-/–]\s){NUMBER})+{_DONE}")
_SPOON = r"(?: (?P<unit>tsp|tbsp|Tbsp|lbs?|oz|mi|kg|km)\b\.?)?"
VULGAR = {
    "½": (1, 2),
    "⅓": (1, 3),
    "⅔": (2, 3),
    "¼": (1, 4),
    "¾": (3, 4),
    "⅕": (1, 5),
    "⅛": (1, 8),
    "⅜": (3, 8),
    "⅝": (5, 8),
    "⅞": (7, 8),
}


def _arithmetic(match: Match) -> str:
    words = [
        _SIGNS.get(part, part if part == "?" else "") or number(part)
        for part in re.findall(rf"{NUMBER}|[-+*×x/÷=−–?]", match[0])
    ]
    return " ".join(words).replace(" ?", " what")


def _ratio(match: Match) -> str:
    return " to ".join(cardinal(int(part)) for part in match[0].split(":"))


def _between(match: Match) -> str:
    """5-10, 3-1. Both a range and a score say "to"; going down it is a score or a subtraction."""
    first, second = match[1], match[2]
    one, two = (float(part.replace(",", "")) for part in (first, second))
    if around(match, _RECORD, 25) and not around(match, SCORES, 25):
        return f"{number(first)} and {number(second)}"
    scored = around(match, SCORES, 60) or around(match, RATIOS, 60)
    telephone = len(first) == 3 and len(second) == 4 and "," not in second and not second.endswith("00")
    if telephone or (two <= one and not scored):
        raise InDoubt
    return f"{number(first)} to {number(second)}"


def _fraction(match: Match) -> str:
    top, bottom = int(match[2]), int(match[3])
    whole = int(match[1]) if match[1] else None
    if bottom == 0:
        raise InDoubt
    if whole is None and bottom in (5, 10, 100) and top <= bottom and around(match, _RATED, 30):
        return f"{cardinal(top)} out of {cardinal(bottom)}"
    sure = whole is not None or match["unit"] or (top, bottom) in _SURE or after(match, _PART_OF)
    if not sure or top >= bottom or bottom > 100:
        raise InDoubt
    words = fraction(top, bottom, whole)
    return f"{words} {UNITS[match['unit']][whole is not None]}" if match["unit"] else words


def fraction(top: int, bottom: int, whole: int | None = None) -> str:
    """
    >>> fraction(3, 4), fraction(1, 2, 2)
    ('three quarters', 'two and a half')
    """
    part = {2: "half", 4: "quarter"}.get(bottom) or ordinal(bottom)
    words = f"{cardinal(top)} {part if top == 1 else 'halves' if bottom == 2 else plural(part)}"
    if whole is None:
        return words
    return f"{cardinal(whole)} and {'a ' + part if top == 1 else words}"


def _vulgar(match: Match) -> str:
    top, bottom = VULGAR[match[2]]
    return fraction(top, bottom, int(match[1]) if match[1] else None)


def _dimensions(match: Match) -> str:
    if before(match, _ASKED):
        return _arithmetic(match)
    return " by ".join(number(part) for part in re.findall(NUMBER, match[0]))


def _operation(match: Match) -> str:
    """3 + 5; 20 × 30 in a sentence about sizes."""
    sized = "×" in match[0] and not counts(match) and around(match, _SIZES)
    return _dimensions(match) if sized else _arithmetic(match)


def _times(match: Match) -> str | None:
    if around(match, re.compile(r"[=+]"), 12):
        return None  # 5x + 3 = 18
    return f"{number(match[1])} {'time' if match[1] == '1' else 'times'}"


def _plus(match: Match) -> str:
    return f"{number(match[1])} plus"


def _compared(match: Match) -> str:
    words = {
        ">": "more than",
        "<": "less than",
        "≥": "at least",
        "≤": "at most",
        "~": "about",
        "≈": "about",
        "±": "plus or minus",
    }
    return f"{words[match[1]]} {number(match[2])}"


RULES = (
    Rule("arithmetic", _EQUATION, _arithmetic),
    Rule("arithmetic", _AFTER_EQUALS, _arithmetic),
    Rule(
        "arithmetic",
        re.compile(rf"{_EDGE}{NUMBER}(?:(?:[+×÷*]|\s[+×÷*]\s){NUMBER})+{_DONE}"),
        _operation,
    ),
    Rule(
        "fraction",
        re.compile(rf"{_EDGE}(?:([0-9]{{1,3}})(?: |-| and ))?([0-9]{{1,2}})[/⁄]([0-9]{{1,3}}){_DONE}{_SPOON}"),
        _fraction,
    ),
    Rule("fraction", re.compile(r"(?<![\w.,/:$€£#-])(?:([0-9]{1,3})\s?)?([½⅓⅔¼¾⅕⅛⅜⅝⅞])"), _vulgar, digits=False),
    Rule("ratio", re.compile(rf"{_EDGE}[0-9]{{1,4}}(?::[0-9]{{1,5}}){{1,2}}{_DONE}"), _ratio),
    Rule("range", re.compile(rf"{_EDGE}({NUMBER})\s?[-–—~]\s?({NUMBER}){_DONE}"), _between),
    Rule("sign", re.compile(rf"{_EDGE}{NUMBER}(?:\s?[x×]\s?{NUMBER})+{_DONE}"), _dimensions),
    Rule("sign", re.compile(rf"{_EDGE}({NUMBER})[x×](?!\w)"), _times),
    Rule("sign", re.compile(rf"{_EDGE}({NUMBER})\+(?![\w+])"), _plus),
    Rule("sign", re.compile(rf"([><≥≤~≈±])\s?({NUMBER}){_DONE}"), _compared),
)
