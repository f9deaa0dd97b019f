"""What is left when the other kinds are read: ordinals, years by their neighbours, and plain numbers."""

from __future__ import annotations

import re

from kespeechchat.text.readings.en.patterns import NUMBER, WHOLE, counts
from kespeechchat.text.readings.forms import InDoubt, Match, Rule, after, before
from kespeechchat.text.readings.numbers_en import cardinal, digits, number, ordinal, plural, year

_EDGE = r"(?<![\w.,/:$€£#])(?<![\w.,/:]-)"
_DONE = r"(?![\w/%°$€£]|[-.,:][0-9])"
_IN_A_YEAR = re.compile(
    r"\b(?:in|since|by|during|until|till|before|after|around|circa|from|to|through|years?|spring|summer|fall|autumn|"
    r"winter|early|mid|late|born|died|founded|established|class of|copyright|of|between|and|enter|entered|entering|"
    r"reach|back in|back to|for|late-|early-|mid-|year (?:is|was|will be)|(?:1[0-9]|20)[0-9]{2} or)\s*[(]?$",
    re.I,
)
_YEAR_AND = re.compile(r"\b(?:1[1-9]|20)[0-9]{2} (?:and|or|to)\s$")
_AND_YEAR = re.compile(r" (?:and|or) (?:1[4-9]|20)[0-9]{2}[?.,!;]?(?:$|\s(?![a-z]))")
_TEMPORAL = re.compile(r"\b(?:in|since|by|during|before|after|until|early|late|mid)\s*$", re.I)
_THE = re.compile(r"\b(?:the|a|an|his|her|their|its|our|this|my)\s+$|['’]s\s+$", re.I)
_SINGULAR = re.compile(r"\s+(?:[a-z]+|[A-Z][a-z]+)\b")
_OPEN = re.compile(r"(?:^|[,(:;]\s*|\b[A-Z]\w+,\s*)$")
_CLOSED = re.compile(r"\s*(?:$|[,).;!?])")
_EVENT = re.compile(r"\s+(?:[A-Z]\w+)")
_CAUTION = re.compile(r"\s+[A-Z]")


def _ordinal(match: Match) -> str | None:
    value, ending = int(match[1].replace(",", "")), match[2].lower()
    words = ordinal(value)
    wanted = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    if ending not in (wanted, wanted + "s"):
        raise InDoubt
    return words + ("s" if ending.endswith("s") and wanted != "s" and len(ending) == 3 else "")


def _four_digits(match: Match) -> str | None:
    """A year or a count: what follows tells, then what goes before."""
    value = int(match[0])
    if before(match, re.compile(r"(?<![\w)\ue000])[-−]$"), 2):
        return None
    if value < 1100 or value > 2099:
        if 1000 < value < 1100 and before(match, re.compile(r"\b[Ii]n\s+$")) and not counts(match):
            return year(value)
        return cardinal(value)
    if counts(match):
        if value >= 1700 and (before(match, _TEMPORAL) or before(match, _YEAR_AND)):
            raise InDoubt  # "in 1990 prices fell", "2018 and 2019 finals"
        return cardinal(value)
    if before(match, _IN_A_YEAR) or after(match, _AND_YEAR) or (before(match, _THE) and after(match, _SINGULAR)):
        return year(value)
    if before(match, _OPEN) and match.start() and after(match, _CLOSED) and value >= 1400:
        return year(value)
    if after(match, _EVENT) or (before(match, re.compile(r"\b[A-Z]\w+,?\s+$")) and value >= 1400):
        return year(value)  # 2008 Olympics, Expo 2010
    if value % 100 == 0 and after(match, re.compile(r"\s+[a-z]")):
        return cardinal(value)
    raise InDoubt


def _plain(match: Match) -> str:
    written = match["number"]
    minus = "minus " if match["minus"] else ""
    whole = written.replace(",", "").partition(".")[0]
    if written.startswith("0") and len(whole) > 1:
        return minus + (digits(whole) if "." not in written else _doubt())
    bare = "," not in written and "." not in written and not written.endswith("000")
    if bare and len(whole) >= 5 and not counts(match):
        raise InDoubt  # a count, a code, a postal code
    return minus + number(written)


def _doubt() -> str:
    raise InDoubt


def _before_letters(match: Match) -> str:
    """5-year-old, 10-minute, 3-star: the hyphen stays."""
    written = match[1].replace(",", "")
    value = int(written)
    words = year(value) if len(written) == 4 and 1900 <= value < 2100 else cardinal(value)
    return words.replace(" and ", " ")


def _after_letters(match: Match) -> str:
    """Mid-2010, pre-1990, non-1: a year after a prefix."""
    return match[1] + " " + year(int(match[2]))


def _digit_plural(match: Match) -> str:
    return plural(cardinal(int(match[1])))


RULES = (
    Rule("ordinal", re.compile(rf"(?<![\w.,/:$€£#])({WHOLE})(st|nd|rd|th|ST|ND|RD|TH|ths)\b"), _ordinal),
    Rule(
        "year",
        re.compile(r"\b([Mm]id|[Pp]re|[Pp]ost|[Ll]ate|[Ee]arly)-((?:1[1-9]|20)[0-9]{2})" + _DONE),
        _after_letters,
    ),
    Rule("year", re.compile(rf"{_EDGE}[0-9]{{4}}(?!-[a-z]){_DONE}"), _four_digits),
    Rule("count", re.compile(rf"{_EDGE}({WHOLE})(?=-[A-Za-z])"), _before_letters),
    Rule(
        "count",
        re.compile(rf"(?<![\w.,/:$€£#])(?<![\w.,/:]-)(?:(?<![\w)\ue000])(?P<minus>[-−]))?(?P<number>{NUMBER}){_DONE}"),
        _plain,
    ),
)
