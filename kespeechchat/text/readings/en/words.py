"""What is written short and is no plain number: idioms, abbreviations, roman numerals, signs, quotation marks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kespeechchat.text.readings.en.patterns import counts
from kespeechchat.text.readings.forms import HIDDEN, InDoubt, Match, Rule, after, around, before
from kespeechchat.text.readings.numbers_en import cardinal, ordinal, pairs
from kespeechchat.text.readings.tables_en import ABBREVIATIONS, NUMBERED, NUMBERED_THINGS, REIGNED, ROMAN

_NAME = r"(?:[A-Z][A-Za-z'’]+|[0-9]+(?:st|nd|rd|th)|[NSEW]\.?)"
_DONE = r"(?![\w/]|[-.,:][0-9])"
_CAPITAL = re.compile(r"\s+[A-Z]")
_AFTER_NAME = re.compile(r"(?:[0-9](?:st|nd|rd|th)|[A-Z][\w'’]*)\s+$")
_IN_ADDRESS = re.compile(rf"\b(?:[0-9]+[A-Z]?|\ue000+)\s+(?:{_NAME}\s+){{1,3}}$")


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


IDIOMS = {
    "24/7": "twenty four seven", "24-7": "twenty four seven", "50/50": "fifty fifty", "50-50": "fifty fifty",
    "20/20": "twenty twenty", "80/20": "eighty twenty", "9/11": "nine eleven", "9-to-5": "nine to five",
    "9-5": "nine to five", "4x4": "four by four", "4WD": "four wheel drive", "7-Eleven": "seven eleven",
    "1-on-1": "one on one", "7-Up": "seven up", "7Up": "seven up", "365/24/7": "three sixty five twenty four seven",
    "0-60": "zero to sixty", "20-20": "twenty twenty", "360°": "three hundred and sixty degree",
}  # fmt: skip
_IDIOM = re.compile(r"(?<![\w/.,-])(?:" + "|".join(map(re.escape, IDIOMS)) + r")(?![\w/]|[-.,:][0-9])")
_WORKING = re.compile(r"\b(?:work|job|office|open|hours|shift|schedule|from|routine|grind)", re.I)


def _idiom(match: Match) -> str | None:
    written = match[0]
    if written == "9-5" and not around(match, _WORKING):
        return None
    if written == "360°" and not after(match, re.compile(r"[ -](?:view|turn|camera|video|photo|approach)")):
        return None
    return IDIOMS[written]


def _course(match: Match) -> str:
    return match[1] + pairs(101)


def _roman(match: Match) -> str | None:
    if match[2] not in ROMAN or (match[2] == "I" and after(match, re.compile(r" [a-z]"))):
        return None
    return f"{match[1]} {cardinal(ROMAN[match[2]]).capitalize()}"


def _world_war(match: Match) -> str:
    return "World War Two" if match[1] or match[2] else "World War One"


def _monarch(match: Match) -> str | None:
    if match[2] not in ROMAN:
        return None
    if match[2] == "I" and not before(match, re.compile(r"\b(?:King|Queen|Pope|Emperor|Tsar|Kaiser)\s+$")):
        return None
    return f"{match[1]} the {ordinal(ROMAN[match[2]]).capitalize()}"


def _abbreviation(match: Match) -> str:
    words = ABBREVIATIONS[match[1]]
    ends = match[1] in ("Jr", "Sr", "Inc", "Ltd", "Corp", "U.S", "U.S.A", "U.K", "U.N", "D.C", "Ave", "Blvd", "Dept")
    rest = match.string[match.end() :]
    return words + ("." if ends and match[0].endswith(".") and re.match(r"[\"”']?\s*$", rest) else "")


def _etc(match: Match) -> str:
    rest = match.string[match.end() :]
    return "and so on" + ("." if re.match(r"[\"”']?\s*$|\s+[A-Z]", rest) else "")


def _numbered(match: Match) -> str:
    return NUMBERED[match[1]]


def _number_sign(match: Match) -> str:
    """No. 5; "No. 5 people came." may be an answer and a sentence."""
    if match[1] == "No" and counts(match) and not before(match, re.compile(r"\w,? $")):
        raise InDoubt
    return f"number {cardinal(int(match[2]))}"


def _doctor_or_drive(match: Match) -> str | None:
    return _title_or_street(match, "Doctor", "Drive")


def _saint_or_street(match: Match) -> str | None:
    return _title_or_street(match, "Saint", "Street")


def _title_or_street(match: Match, title: str, street: str) -> str | None:
    end = "." if match[0].endswith(".") and re.match(r"[\"”']?\s*$", match.string[match.end() :]) else ""
    if before(match, _IN_ADDRESS, 60):
        return street + end
    if after(match, _CAPITAL):
        return title
    if before(match, _AFTER_NAME):
        return street + end
    if match[0].endswith("."):
        raise InDoubt
    return None


def _dash(match: Match) -> str:
    """Between two forms that are read: "to", or, in a sum, "minus"."""
    return " minus " if around(match, re.compile(r"[=+×÷]"), 12) else " to "


SPECIAL = (
    Rule("roman", re.compile(r"\bWW(?:I(I)?|1|(2))\b"), _world_war, digits=False),
    Rule("idiom", _IDIOM, _idiom),
    Rule("idiom", re.compile(r"\b([A-Z][a-z]+ )101\b(?! [a-z]+s\b)"), _course),
    Rule("abbreviation", re.compile(rf"\b(No|no|Nr)\.\s?([0-9]{{1,6}}){_DONE}"), _number_sign),
    Rule("abbreviation", re.compile(rf"\b({_any(NUMBERED)})\.(?=\s?[0-9])"), _numbered),
)
RULES = (
    Rule("roman", re.compile(rf"\b({NUMBERED_THINGS}) ([IVX]+)(?![\w'’.-]|\.\w)"), _roman, digits=False),
    Rule("roman", re.compile(rf"\b({REIGNED}) ([IVX]+)(?![\w'’-]|\.\w)"), _monarch, digits=False),
    Rule("abbreviation", re.compile(r"\b(Dr)(?:\.|(?= [A-Z]))"), _doctor_or_drive, digits=False),
    Rule("abbreviation", re.compile(r"\b(St)(?:\.|(?= [A-Z]))"), _saint_or_street, digits=False),
    Rule("abbreviation", re.compile(r"\b(etc)\."), _etc, digits=False),
    Rule("abbreviation", re.compile(rf"\b({_any(ABBREVIATIONS)})\.(?!\w)"), _abbreviation, digits=False),
)
SIGNS = (
    Rule("sign", re.compile(r"(?<=[a-z])/(?=(?:hour|day|week|month|year|person|night)\b)"), lambda match: " per "),
    Rule("sign", re.compile(r"\band/or\b"), lambda match: "and or", digits=False),
    Rule("range", re.compile(rf"(?<={HIDDEN})\s?[-–—~]\s?(?={HIDDEN})"), _dash),
    Rule("arithmetic", re.compile(rf"\s?(?<![=!<>:+*/%-])=\s?(?={HIDDEN})"), lambda match: " equals "),
    Rule("quotation", re.compile(r'(?<= )["“”] |["“”]'), lambda match: "", digits=False),
    Rule("sign", re.compile(rf"(?<=[\w{HIDDEN}])\s?&\s?(?=[\w{HIDDEN}])"), lambda match: " and ", digits=False),
)
