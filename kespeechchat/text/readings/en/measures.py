"""Money, percentages and units, each alone or as a range."""

from __future__ import annotations

import re

from kespeechchat.text.readings.en.patterns import DASH, NUMBER, SCREEN
from kespeechchat.text.readings.forms import InDoubt, Match, Rule, after, around, before
from kespeechchat.text.readings.numbers_en import cardinal, number
from kespeechchat.text.readings.tables_en import CURRENCIES, DOUBTFUL_UNITS, SCALES, UNITS

_EDGE = r"(?<![\w.,/:$€£#])(?<![\w.,/:]-)"
_AMOUNT = rf"(?P<amount>{NUMBER})(?:{DASH}(?P<sign2>[$€£¥])?(?P<to>{NUMBER}))?"
_SIGN = "|".join(re.escape(sign) for sign in sorted(CURRENCIES, key=len, reverse=True)) + "|¥|￥"
_SCALE = r"(?:\s?(?P<scale>hundred|thousand|million|billion|trillion)\b|(?P<short>k|K|mn|m|M|bn|B|b|tn|T)\b)?"
_PER = r"(?:/(?P<per>hour|hr|day|week|month|mo|year|yr|person|kg|lb|night|unit|mile|gallon|g|oz)\b)?"
_PERS = {"hr": "hour", "mo": "month", "yr": "year", "kg": "kilogram", "lb": "pound", "g": "gram", "oz": "ounce"}
_THINGS = re.compile(
    r"[ -](?:bill|note|coin|gift|voucher|coupon|fine|ticket|check|budget|discount|fee|prize|loan|limit|menu)\b"
)
_YEN = re.compile(r"\b(?:Japan\w*|yen|Tokyo|Kyoto|Osaka)\b", re.I)
_YUAN = re.compile(r"\b(?:China|Chinese|yuan|RMB|Beijing|Shanghai|renminbi)\b", re.I)
_UNIT = "|".join(re.escape(unit) for unit in sorted({*UNITS, *DOUBTFUL_UNITS}, key=len, reverse=True))
_SIGNED = r"(?:(?<![\w)])(?P<minus>[-−]))?"
_MANY = re.compile(
    r"\s+(?:people|users?|followers|views|downloads|subscribers|words|dollars|miles|likes|customers|residents|years)\b"
)
_ONE = re.compile(r"\b(?:a|an)\s+$", re.I)
_THING = re.compile(r"\s+(?!(?:of|or|and|in|is|was|to|from|at|on|by)\b)[a-z]+")
_WEB = re.compile(r"\b(?:network|phones?|signal|wireless|coverage)\b", re.I)


def _currency(sign: str, match: Match) -> tuple[str, str, str, str]:
    if sign in CURRENCIES:
        return CURRENCIES[sign]
    if around(match, _YEN, 60):
        return CURRENCIES["JPY"]
    if around(match, _YUAN, 60):
        return CURRENCIES["CNY"]
    raise InDoubt  # yen and yuan have one sign


def _money(match: Match) -> str:
    one, many, small, smalls = _currency(match["sign"], match)
    scale = SCALES.get(match["scale"] or match["short"] or "", "")
    amount = match["amount"]
    minus = "minus " if match["minus"] else ""
    per = f" per {_PERS.get(match['per'], match['per'])}" if match["per"] else ""
    if match["to"]:
        words = f"{number(amount)} to {number(match['to'])} {scale} {many}"
        return minus + words.replace("  ", " ") + per
    cents = re.fullmatch(r"([0-9,]*)\.([0-9]{2})", amount)
    if cents and not scale and small:
        return minus + _with_cents(cents[1], cents[2], (one, many, small, smalls)) + per
    name = one if amount == "1" and not scale else many
    if after(match, _THINGS):
        name = one
    return minus + f"{number(amount)} {scale} {name}".replace("  ", " ") + per


def _with_cents(whole: str, cents: str, names: tuple[str, str, str, str]) -> str:
    one, many, small, smalls = names
    units = int(whole.replace(",", "") or 0)
    parts = [f"{cardinal(units)} {one if units == 1 else many}"] if units or cents == "00" else []
    if int(cents):
        parts.append(f"{cardinal(int(cents))} {small if int(cents) == 1 else smalls}")
    return " and ".join(parts)


def _cents(match: Match) -> str:
    return f"{number(match[1])} {'cent' if match[1] == '1' else 'cents'}"


def _percent(match: Match) -> str:
    words = number(match["amount"])
    if match["to"]:
        words += f" to {number(match['to'])}"
    return ("minus " if match["minus"] else "") + words + (" per mille" if match["sign"] == "‰" else " percent")


def _unit(match: Match) -> str | None:
    symbol, joint = match["unit"], match["joint"]
    names = _unit_names(symbol, match)
    if names is None:
        return None
    words = number(match["amount"])
    if match["by"]:
        words += f" by {number(match['by'])}"
    if match["to"]:
        words += f" to {number(match['to'])}"
    single = (match["amount"] in ("1", "1.0") and not match["to"]) or (before(match, _ONE) and after(match, _THING))
    name = names[0] if single or joint == "-" else names[1]
    return ("minus " if match["minus"] else "") + f"{words} {name}" + _point(match)


def _unit_names(symbol: str, match: Match) -> tuple[str, str] | None:
    if symbol in DOUBTFUL_UNITS:
        one, many, subject = DOUBTFUL_UNITS[symbol]
        if symbol == "in" and (match["joint"] == "-" or match["by"]):
            return one, many
        return (one, many) if around(match, re.compile(subject, re.I), 60) else None
    apart = match["joint"] != ""
    if symbol == "m" and not apart and after(match, _MANY):
        return ("million", "million")
    if symbol == "g" and around(match, _WEB):
        return None
    if symbol == "s" and not apart and match["amount"].endswith("0"):
        return None  # a decade, or seconds
    return UNITS[symbol]


def _point(match: Match) -> str:
    """A unit's point ("5 lbs.") is kept where it ends the sentence."""
    rest = match.string[match.end() :]
    return "." if match[0].endswith(".") and re.match(r"[\"”']?\s*$|\s+[A-Z]", rest) else ""


def _thousands(match: Match) -> str | None:
    """10k: a race is called so, a crowd is counted."""
    if after(match, re.compile(r"\s+(?:run|race|marathon|walk)\b")) or before(
        match, re.compile(r"\b(?:run|ran|running) (?:a|an|the|my) $")
    ):
        return f"{number(match[1])} K"
    if match[1] in ("2", "4", "8") and around(match, SCREEN):
        return None
    if after(match, _MANY):
        return f"{number(match[1])} thousand"
    raise InDoubt


RULES = (
    Rule("money", re.compile(rf"{_SIGNED}(?<![A-Za-z])(?P<sign>{_SIGN})\s?{_AMOUNT}{_SCALE}{_PER}(?![0-9])"), _money),
    Rule(
        "money",
        re.compile(
            rf"{_EDGE}{_SIGNED}{_AMOUNT}{_SCALE}\s?(?P<sign>[$€£]|USD|EUR|GBP|AUD|CAD|INR|JPY|CNY|"
            rf"RMB|CHF){_PER}(?![\w])"
        ),
        _money,
    ),
    Rule("money", re.compile(rf"{_EDGE}({NUMBER})\s?¢"), _cents),
    Rule(
        "percent",
        re.compile(rf"{_EDGE}{_SIGNED}(?P<amount>{NUMBER})\s?%?(?:{DASH}(?P<to>{NUMBER}))?\s?(?P<sign>[%‰])"),
        _percent,
    ),
    Rule("unit", re.compile(rf"{_EDGE}({NUMBER})[kK](?![\w/])"), _thousands),
    Rule(
        "unit",
        re.compile(
            rf"{_EDGE}{_SIGNED}(?P<amount>{NUMBER})(?:\s?[x×]\s?(?P<by>{NUMBER})|{DASH}(?P<to>{NUMBER}))?"
            rf"(?P<joint>\s?|-)(?P<unit>{_UNIT})(?![\w/²³°'’]|-[0-9])(?:(?<=lb|oz|ft|in|hr|pt|qt)\.|"
            rf"(?<=lbs|hrs|min|sec|yds|yrs|tsp|gal)\.|(?<=mins|secs|tbsp|Tbsp)\.)?"
        ),
        _unit,
    ),
)
