"""Numbers that name: telephones, codes, addresses, rooms, models, versions, roman numerals, idioms, abbreviations."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kespeechchat.text.readings.en.patterns import SCREEN, counts
from kespeechchat.text.readings.forms import HIDDEN, InDoubt, Match, Rule, after, around, before
from kespeechchat.text.readings.numbers_en import cardinal, digits, number, ordinal, pairs
from kespeechchat.text.readings.tables_en import (
    ABBREVIATIONS,
    NUMBERED,
    NUMBERED_THINGS,
    REIGNED,
    ROMAN,
    STREETS,
)

_STREET = "|".join(sorted(STREETS, key=len, reverse=True))
_NAME = r"(?:[A-Z][A-Za-z'’]+|[0-9]+(?:st|nd|rd|th)|[NSEW]\.?)"
_CALL = re.compile(r"\b(?:call|phone|telephone|tel|dial|text|fax|hotline|mobile|cell|number|reach|ring|at)\b", re.I)
_EMERGENCY = re.compile(r"\b(?:call|called|calling|dial|dialed|dialing|phone|ring|emergency|line|operator)\b", re.I)
_SECRET = (
    r"(?:PIN|pin|code|Code|passcode|password|zip|ZIP|zip code|postcode|ID|account|serial|ISBN|invoice|order|extension|"
    r"ticket|license|policy|reference|case|tracking)"
)
_PLACE = (
    r"(?:[Rr]oom|[Ss]uite|[Aa]partment|[Aa]pt\.?|[Ff]light|[Rr]oute|[Hh]ighway|"
    r"[Ii]nterstate|[Gg]ate|[Bb]us|Boeing|Area)"
)
_DONE = r"(?![\w/]|[-.,:][0-9])"
_EDGE = r"(?<![\w.,/:$-])"
_TELEPHONE = re.compile(
    rf"{_EDGE}(?:\+?[0-9]{{1,3}}[ .-])?(?:\([0-9]{{3}}\) ?|[0-9]{{2,4}}[ .-])(?:[0-9]{{2,4}}[ .-])?[0-9]{{4}}{_DONE}"
)
_HOUSE = re.compile(rf"{_EDGE}([0-9]{{1,5}})([A-Z])?(?= (?:{_NAME} ){{1,3}}(?:{_STREET})\b)")
_VERSION = re.compile(
    r"\b((?:[Vv]ersion |Python |Java |iOS |Android |macOS |[Rr]elease )|v)([0-9]+(?:\.[0-9]+)+)(?![\w/])"
)
_FEET_AND_INCHES = re.compile(r"(?<![\w.,/:$€£#-])([0-9]{1,2})\s?['’′]\s?([0-9]{1,2})\s?(?:[\"”″]|'')")
_FORMULA = re.compile(r"\b(?:H2O|CO2|O2|H2|N2|O3|CH4|H2SO4|NH3|SO2|NO2|C6H12O6|NaHCO3|CaCO3|H1N1|H5N1)\b")
_MODEL = re.compile(
    r"(?<![\w./'-])([A-Z]{1,5}|[a-z]{2,4}|i[A-Z][a-z]+|COVID|Covid|[A-Z][a-z]{1,7}(?=-))-?([0-9]{1,6})([A-Za-z])?"
    rf"{_DONE}"
)
_CAPITAL = re.compile(r"\s+[A-Z]")
_AFTER_NAME = re.compile(r"[A-Z][\w'’]*\s+$")
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


def _telephone(match: Match) -> str | None:
    groups = re.findall("[0-9]+", match[0])
    shape = [len(group) for group in groups]
    sure = shape[-3:] == [3, 3, 4] or (match[0].startswith("+") and sum(shape) >= 8)
    if shape == [4, 2, 2] or (shape == [4, 4] and not before(match, _CALL, 25)):
        return None  # a date, a range of years
    if shape == [3, 2, 4] or sure or (sum(shape) >= 7 and before(match, _CALL, 25)):
        plus = "plus " if match[0].startswith("+") else ""
        return plus + ", ".join(digits(group) for group in groups)
    if shape == [3, 4] and not counts(match) and not groups[1].endswith("00"):
        raise InDoubt
    return None


def _emergency(match: Match) -> str | None:
    return digits(match[0]) if around(match, _EMERGENCY, 20) else None


def _secret(match: Match) -> str:
    return match[1] + digits(match[2])


def _house(match: Match) -> str | None:
    """A number before a street's name; 10 and less are read as they are, five digits one by one."""
    if counts(match):
        return None
    written, letter = match[1], match[2]
    words = digits(written) if len(written) > 4 or written.startswith("0") else pairs(int(written))
    return f"{words} {letter}" if letter else words


def _place(match: Match) -> str:
    written = match[2]
    words = digits(written) if len(written) > 4 or written.startswith("0") else pairs(int(written))
    return match[1] + words + (f" {match[3].upper()}" if match[3] else "")


def _course(match: Match) -> str:
    return match[1] + pairs(101).replace("hundred and one", "oh one")


def _model(match: Match) -> str | None:
    """Letters and a number that name one thing: A4, COVID-19, MP3, F-16, iPhone 15."""
    letters, written, tail = match[1], match[2], match[3]
    if len(written) > 4 or (letters.islower() and len(letters) > 3 and letters not in ("mpeg", "web", "iphone")):
        raise InDoubt
    words = digits(written) if written.startswith("0") else pairs(int(written))
    letters = letters.upper() if letters.islower() and len(letters) <= 3 else letters
    return f"{letters} {words}" + (f" {tail.upper()}" if tail else "")


def _generation(match: Match) -> str | None:
    """3D, 5G, 4K, 1080p: a number and a letter that is spelled."""
    written, letter = match[1], match[2]
    if letter in "kK" and not (written in ("4", "8") and around(match, SCREEN)):
        return None
    if letter == "p" and written not in ("360", "480", "720", "1080", "1440", "2160"):
        return None
    words = "ten eighty" if written == "1080" else pairs(int(written))
    return f"{words} {letter.upper()}"


def _formula(match: Match) -> str:
    return re.sub(r"[0-9]+", lambda m: f" {cardinal(int(m[0]))} ", match[0]).strip().replace("  ", " ")


def _version(match: Match) -> str:
    parts = match[2].split(".")
    name = "version " if match[1] == "v" else match[1]
    return name + " point ".join(cardinal(int(part)) for part in parts)


def _feet_and_inches(match: Match) -> str:
    return f"{cardinal(int(match[1]))} foot {cardinal(int(match[2]))}"


def _inches(match: Match) -> str | None:
    """27" where no quotation is open."""
    head = match.string[: match.start()]
    if head.count('"') % 2 or head.count("“") > head.count("”"):
        return None
    return f"{number(match[1])} {'inches' if after(match, re.compile(r'$|[.,]| (?:tall|wide|long|deep)')) else 'inch'}"


def _hash(match: Match) -> str:
    return f"number {cardinal(int(match[1]))}"


def _roman(match: Match) -> str | None:
    if match[2] not in ROMAN or (match[2] == "I" and after(match, re.compile(r" [a-z]"))):
        return None
    return f"{match[1]} {cardinal(ROMAN[match[2]]).capitalize()}"


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
    Rule("idiom", _IDIOM, _idiom),
    Rule("idiom", re.compile(r"\b([A-Z][a-z]+ )101\b(?! [a-z]+s\b)"), _course),
    Rule("telephone", _TELEPHONE, _telephone),
    Rule("telephone", re.compile(r"(?<![\w.,/:$-])\+[0-9]{8,14}\b"), _telephone),
    Rule("telephone", re.compile(rf"(?<![\w.,/:$-])(?:911|999|112|411|311){_DONE}"), _emergency),
    Rule("code", re.compile(rf"\b({_SECRET}(?: [Nn]umber)?(?: is|:| #| No\.)? )([0-9]{{3,}}){_DONE}"), _secret),
    Rule("address", _HOUSE, _house),
    Rule("address", re.compile(rf"\b({_PLACE} )([0-9]{{3,5}})([A-Za-z])?{_DONE}"), _place),
    Rule("abbreviation", re.compile(rf"\b(No|no|Nr)\.\s?([0-9]{{1,6}}){_DONE}"), _number_sign),
    Rule("abbreviation", re.compile(rf"\b({_any(NUMBERED)})\.(?=\s?[0-9])"), _numbered),
    Rule("unit", _FEET_AND_INCHES, _feet_and_inches),
    Rule("unit", re.compile(r"(?<![\w.,/:$-])([0-9]{1,3}(?:\.[0-9])?)[\"”″](?=\s|$|[.,])"), _inches),
)
RULES = (
    Rule("code", re.compile(rf"(?<![\w&])#([0-9]{{1,4}}){_DONE}"), _hash),
    Rule("version", _VERSION, _version),
    Rule("latin", _FORMULA, _formula),
    Rule("latin", re.compile(r"(?<![\w.,/:$-])([0-9]{1,4})-?([DGpkK])\b(?![/'])"), _generation),
    Rule("latin", _MODEL, _model),
    Rule("roman", re.compile(rf"\b({NUMBERED_THINGS}) ([IVX]+)(?![\w'’.-]|\.\w)"), _roman, digits=False),
    Rule("roman", re.compile(rf"\b({REIGNED}) ([IVX]+)(?![\w'’-]|\.\w)"), _monarch, digits=False),
    Rule("roman", re.compile(r"\bWW(II?)\b"), lambda m: f"World War {'Two' if m[1] == 'II' else 'One'}", digits=False),
    Rule("abbreviation", re.compile(r"\b(Dr)(?:\.|(?= [A-Z]))"), _doctor_or_drive, digits=False),
    Rule("abbreviation", re.compile(r"\b(St)(?:\.|(?= [A-Z]))"), _saint_or_street, digits=False),
    Rule("abbreviation", re.compile(r"\b(etc)\."), _etc, digits=False),
    Rule("abbreviation", re.compile(rf"\b({_any(ABBREVIATIONS)})\.(?!\w)"), _abbreviation, digits=False),
)
SIGNS = (
    Rule("sign", re.compile(r"(?<=\w) & (?=\w)"), lambda match: " and ", digits=False),
    Rule("sign", re.compile(r"(?<=[A-Z])&(?=[A-Z])"), lambda match: " and ", digits=False),
    Rule("sign", re.compile(r"\band/or\b"), lambda match: "and or", digits=False),
    Rule("range", re.compile(rf"(?<={HIDDEN})\s?[-–—~]\s?(?={HIDDEN})"), _dash),
    Rule("arithmetic", re.compile(rf"\s?=\s?(?={HIDDEN})"), lambda match: " equals "),
    Rule("quotation", re.compile(r'(?<= )["“”] |["“”]'), lambda match: "", digits=False),
)
