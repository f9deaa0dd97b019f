"""Numbers that name: telephones, codes, addresses, rooms, models, versions."""

from __future__ import annotations

import re

from kespeechchat.text.readings.en.patterns import SCREEN, counts
from kespeechchat.text.readings.forms import InDoubt, Match, Rule, after, around, before
from kespeechchat.text.readings.numbers_en import cardinal, digits, number, pairs
from kespeechchat.text.readings.tables_en import (
    STREETS,
)

_STREET = "|".join(sorted(STREETS, key=len, reverse=True))
_NAME = r"(?:[A-Z][A-Za-z'’]+|[0-9]+(?:st|nd|rd|th)|[NSEW]\.?)"
_CALL = re.compile(r"\b(?:call|phone|telephone|tel|dial|text|fax|hotline|mobile|cell|number|reach|ring|at)\b", re.I)
_DIALED = re.compile(r"\b(?:call|dial|phone|telephone|tel|fax|ring|hotline)\b", re.I)
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
_FEET_AND_INCHES = re.compile(
    r"(?<![\w.,/:$€£#-])([0-9]{1,2})(?:\s?['’′]\s?| (?:ft\.?|feet) )([0-9]{1,2})\s?(?:[\"”″]|''|in\b\.?)"
)
_FORMULA = re.compile(r"\b(?:H2O|CO2|O2|H2|N2|O3|CH4|H2SO4|NH3|SO2|NO2|C6H12O6|NaHCO3|CaCO3|H1N1|H5N1)\b")
_MODEL = re.compile(
    r"(?<![\w./'-])([A-Z]{1,5}|[a-z]{2,4}(?!-)|i[A-Z][a-z]+|COVID|Covid|[A-Z][a-z]{1,7}(?=-))-?([0-9]{1,6})([A-Za-z])?"
    rf"{_DONE}"
)


def _telephone(match: Match) -> str | None:
    groups = re.findall("[0-9]+", match[0])
    shape = [len(group) for group in groups]
    sure = shape[-3:] == [3, 3, 4] or (match[0].startswith("+") and sum(shape) >= 8)
    if shape == [4, 2, 2] or (shape == [4, 4] and not before(match, _CALL, 25)):
        return None  # a date, a range of years
    if counts(match) or (shape == [3, 4] and re.match("[1-9].*00$", groups[1]) and not before(match, _DIALED, 25)):
        return None  # 300-1000 words
    if shape == [3, 2, 4] or sure or (sum(shape) >= 7 and before(match, _CALL, 25)):
        plus = "plus " if match[0].startswith("+") else ""
        return plus + ", ".join(digits(group) for group in groups)
    if shape == [3, 4]:
        raise InDoubt
    return None


def _emergency(match: Match) -> str | None:
    if around(match, _EMERGENCY, 20):
        return digits(match[0])
    if match[0] == "911" and not after(match, re.compile(r" [a-z]")):
        raise InDoubt
    return None


def _secret(match: Match) -> str | None:
    return None if counts(match) else match[1] + digits(match[2])


def _house(match: Match) -> str | None:
    """A number before a street's name; 10 and less are read as they are, five digits one by one."""
    if counts(match):
        return None
    written, letter = match[1], match[2]
    words = digits(written) if len(written) > 4 or written.startswith("0") else pairs(int(written))
    return f"{words} {letter}" if letter else words


def _place(match: Match) -> str | None:
    if counts(match):
        return None
    written = match[2]
    words = digits(written) if len(written) > 4 or written.startswith("0") else pairs(int(written))
    return match[1] + words + (f" {match[3].upper()}" if match[3] else "")


def _model(match: Match) -> str | None:
    """Letters and a number that name one thing: A4, COVID-19, MP3, F-16, iPhone 15."""
    letters, written, tail = match[1], match[2], match[3]
    if len(written) > 4 or (letters.islower() and len(letters) > 3 and letters not in ("mpeg", "web", "iphone")):
        raise InDoubt
    words = digits(written) if written.startswith("0") else pairs(int(written))
    letters = letters.upper() if letters.islower() and len(letters) <= 3 else letters
    return f"{letters} {words}" + (f" {tail.upper()}" if tail else "")


def _hyphened(match: Match) -> str:
    """omega-3, figure-8, under-18."""
    return f"{match[1]} {cardinal(int(match[2]))}"


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


SPECIAL = (
    Rule("telephone", _TELEPHONE, _telephone),
    Rule("telephone", re.compile(r"(?<![\w.,/:$-])\+[0-9]{8,14}\b"), _telephone),
    Rule("telephone", re.compile(rf"(?<![\w.,/:$-])(?:911|999|112|411|311){_DONE}"), _emergency),
    Rule("code", re.compile(rf"\b({_SECRET}(?: [Nn]umber)?(?: is|:| #| No\.)? )([0-9]{{3,}}){_DONE}"), _secret),
    Rule("address", _HOUSE, _house),
    Rule("address", re.compile(rf"\b({_PLACE} )([0-9]{{3,5}})([A-Za-z])?{_DONE}"), _place),
    Rule("unit", _FEET_AND_INCHES, _feet_and_inches),
    Rule("unit", re.compile(r"(?<![\w.,/:$-])([0-9]{1,3}(?:\.[0-9])?)[\"”″](?=\s|$|[.,])"), _inches),
)
RULES = (
    Rule("latin", re.compile(rf"(?<![\w./'-])([a-z]{{3,}})-([0-9]{{1,2}}){_DONE}"), _hyphened),
    Rule("code", re.compile(rf"(?<![\w&])#([0-9]{{1,4}}){_DONE}"), _hash),
    Rule("version", _VERSION, _version),
    Rule("latin", _FORMULA, _formula),
    Rule("latin", re.compile(r"(?<![\w.,/:$-])([0-9]{1,4})-?([DGpkK])\b(?![/'])"), _generation),
    Rule("latin", _MODEL, _model),
)
