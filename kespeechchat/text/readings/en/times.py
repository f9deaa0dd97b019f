"""Dates, clock times, decades, and years that the sentence shows to be years."""

from __future__ import annotations

import re

from kespeechchat.text.readings.en.patterns import DASH, MONTH, RATIOS, SCORES, counts
from kespeechchat.text.readings.forms import InDoubt, Match, Rule, after, around, before
from kespeechchat.text.readings.numbers_en import cardinal, ordinal, plural, year
from kespeechchat.text.readings.tables_en import MONTH_NAMES, MONTHS

_EDGE = r"(?<![\w.,/:$€£#-])"
_TIME_EDGE = r"(?:(?<=:[0-9][0-9][-–])|(?<![\w.,/:$€£#])(?<![0-9A-Za-z]-))"
_FROM_A_TIME = re.compile(r":[0-9]{2}\s?(?:[-–]|to)\s?$")
_ANOTHER_DECADE = re.compile(r"0['’]?s,? (?:and|or|to) ['’]?$")
_DAY = r"(?P<day>0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>1[0-9]{3}|20[0-9]{2})"
_DONE = r"(?![\w/]|[-.,:][0-9])"

_VERSES = re.compile(
    r"\b(?:Genesis|Exodus|Leviticus|Deuteronomy|Psalms?|Proverbs|Isaiah|Matthew|Mark|Luke|John|Acts|Romans|Corinthians|"
    r"Galatians|Ephesians|Philippians|Hebrews|James|Peter|Revelation|verse|Surah|Quran)\s+$"
)
_AT_A_TIME = re.compile(
    r"\b(?:at|by|until|till|from|around|before|after|since|between|past|to|and|starts?|begins?|ends?|opens?|closes?|"
    r"leaves?|arrives?|departs?|time is|it(?:'s| is)|clock|alarm for|now|today|tomorrow|tonight|morning|afternoon|"
    r"evening|scheduled for|o'clock)\s+(?:\w+day\s+)?(?:about\s+|exactly\s+)?$",
    re.I,
)
_THEN_A_TIME = re.compile(
    r"\s*(?:[-–] ?[0-9]{1,2}:[0-9]{2}|o'clock|sharp|in the (?:morning|afternoon|evening)|at night|train|bus|flight)"
)
_HALF = r"\s?(?P<half>[ap])\.?\s?m\b\.?|\s?(?P<upper>[AP])\.?\s?M\b\.?"
_WEEKDAY = re.compile(
    r"\s+(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|[A-Z]{2,4}\b)"
)
_DECADE_WORDS = re.compile(
    r"\b(?:the|her|his|their|my|our|your|in|early|mid|late|into|early-|mid-|late-|of)[ -]?['’]?$", re.I
)


def _day(written: str) -> str:
    return ordinal(int(written))


def _american(match: Match) -> str | None:
    """May 3, 2021; July 4th; Sept. 5."""
    month = MONTH_NAMES[MONTHS[match["month"]] - 1]
    if match["year"] is None and counts(match):
        return None  # May 5 people …: the verb
    words = f"{month} {_day(match['day'])}"
    if match["to"]:
        words += f" to {_day(match['to'])}"
    return words + (f", {year(int(match['year']))}" if match["year"] else "")


def _british(match: Match) -> str:
    """3 May 2021; the 3rd of May stays an ordinal."""
    the = "" if before(match, re.compile(r"\bthe\s+$", re.I)) else "the "
    words = f"{the}{_day(match['day'])} of {MONTH_NAMES[MONTHS[match['month']] - 1]}"
    return words + (f" {year(int(match['year']))}" if match["year"] else "")


def _month_year(match: Match) -> str:
    return f"{MONTH_NAMES[MONTHS[match['month']] - 1]} {year(int(match['year']))}"


def _quarter(match: Match) -> str:
    return f"Q {cardinal(int(match[1]))} {year(int(match['year']))}"


def _iso(match: Match) -> str | None:
    y, month, day = (int(part) for part in match.groups())
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"{MONTH_NAMES[month - 1]} {ordinal(day)}, {year(y)}"


def _slashed(match: Match) -> str | None:
    """5/13/2021. Where both numbers may be the month, an American and an Englishman read another day."""
    first, second, written = int(match[1]), int(match[3]), match[4]
    if len(written) == 2:
        written = ("20" if int(written) < 50 else "19") + written
    month, day = (first, second) if second > 12 else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise InDoubt
    if first <= 12 and second <= 12 and first != second:
        raise InDoubt
    return f"{MONTH_NAMES[month - 1]} {ordinal(day)}, {year(int(written))}"


def _short_slashed(match: Match) -> str | None:
    """on 3/14: a date only after a word that goes before dates."""
    first, second = int(match[2]), int(match[3])
    if second > 31 or first > 31 or not first or not second:
        return None
    if first <= 12 < second:
        return f"{match[1]}{MONTH_NAMES[first - 1]} {ordinal(second)}"
    if second <= 12 < first:
        return f"{match[1]}{MONTH_NAMES[second - 1]} {ordinal(first)}"
    raise InDoubt


def _clock(match: Match) -> str | None:
    """10:30, 7:05 PM. Without a word for a time or a half of the day it may be a ratio, a score, a verse."""
    hour, minute, half = int(match["hour"]), int(match["minute"]), _half(match)
    if half:
        return f"{_hour_words(hour, minute, twelve=True)} {half}{_point(match)}"
    if before(match, _VERSES):
        return f"{cardinal(hour)} {cardinal(minute)}"
    timed = before(match, _AT_A_TIME) or before(match, _FROM_A_TIME) or after(match, _THEN_A_TIME)
    if timed and hour <= 24 and not around(match, RATIOS):
        return _hour_words(hour, minute, twelve=False)
    if around(match, RATIOS) or around(match, SCORES):
        return f"{cardinal(hour)} to {cardinal(minute)}"
    raise InDoubt


def _half(match: Match) -> str:
    letter = match["half"] or match["upper"]
    return f"{letter.upper()}M" if letter else ""


def _point(match: Match) -> str:
    """The point of "p.m." may end the sentence too."""
    rest = match.string[match.end() :]
    ends = re.match(r"[\"”']?\s*$|\s+[A-Z]", rest) and not _WEEKDAY.match(rest)
    return "." if match[0].endswith(".") and ends else ""


def _hour_words(hour: int, minute: int, twelve: bool) -> str:
    if minute:
        return f"{cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    if twelve:
        return cardinal(hour)
    if hour in (0, 24):
        return "midnight"
    return f"{cardinal(hour)} o'clock" if hour <= 12 else f"{cardinal(hour)} hundred hours"


def _whole_hour(match: Match) -> str | None:
    """9 a.m., 5-7pm."""
    words = cardinal(int(match["hour"]))
    if match["to"]:
        words += f" to {cardinal(int(match['to']))}"
    return f"{words} {_half(match)}{_point(match)}"


def _long_decade(match: Match) -> str | None:
    """1990s, 1800s, 2000s, 2010s; hundreds and thousands of things."""
    number = int(match[1])
    if number < 1100 or number > 2090 or after(match, re.compile(r"\s+of\s+(?!the\b)[a-z]+s\b")):
        return plural(cardinal(number)).removeprefix("one ") if number in (100, 1000) else None
    return plural(year(number))


def _short_decade(match: Match) -> str | None:
    tens = plural(cardinal(int(match[2])))
    if match[1] or before(match, _DECADE_WORDS) or before(match, _ANOTHER_DECADE):
        return tens
    raise InDoubt  # thirty seconds, or the thirties


def _years(match: Match) -> str:
    """1990-1995, 1990–95, 2019-20."""
    first, second = match[1], match[2]
    last = year(int(second)) if len(second) == 4 else ("oh " if second[0] == "0" else "") + cardinal(int(second))
    return f"{year(int(first))} to {last}"


def _years_or_not(match: Match) -> str | None:
    first, second = match[1], match[2]
    whole = int(second) if len(second) == 4 else int(first[:2] + second)
    if whole <= int(first) or counts(match):
        return None
    return _years(match)


def _era(match: Match) -> str:
    written, era = match[1].replace(",", ""), match[2].replace(".", "").upper()
    ends = "." if match[0].endswith(".") and re.match(r"[\"”']?\s*$|\s+[A-Z]", match.string[match.end() :]) else ""
    words = year(int(written)) if 1000 < int(written) < 2100 else cardinal(int(written))
    return f"{words} {era}{ends}"


def _era_first(match: Match) -> str:
    return f"AD {year(int(match[1])) if int(match[1]) > 1000 else cardinal(int(match[1]))}"


RULES = (
    Rule(
        "date",
        re.compile(
            rf"{MONTH}\s{_DAY}(?:{DASH}(?P<to>[0-9]{{1,2}})(?:st|nd|rd|th)?(?![0-9]))?(?:(?:,| "
            rf"of)?\s{_YEAR}(?![0-9s]))?{_DONE}"
        ),
        _american,
    ),
    Rule("date", re.compile(rf"{_EDGE}{_DAY}(?: of)?\s{MONTH}(?:,?\s{_YEAR}(?![0-9s]))?{_DONE}"), _british),
    Rule("date", re.compile(rf"{MONTH}(?:,| of)?\s{_YEAR}(?!s){_DONE}"), _month_year),
    Rule("date", re.compile(rf"{_EDGE}(1[0-9]{{3}}|20[0-9]{{2}})[-/.]([0-9]{{1,2}})[-/.]([0-9]{{1,2}}){_DONE}"), _iso),
    Rule("date", re.compile(rf"{_EDGE}([0-9]{{1,2}})([-/.])([0-9]{{1,2}})\2([0-9]{{4}}|[0-9]{{2}}){_DONE}"), _slashed),
    Rule(
        "date",
        re.compile(r"\b((?:[Oo]n|[Bb]y|[Ss]ince|[Dd]ue|[Dd]ated) )([0-9]{1,2})/([0-9]{1,2})" + _DONE),
        _short_slashed,
    ),
    Rule("date", re.compile(rf"\bQ([1-4]),? {_YEAR}{_DONE}"), _quarter),
    Rule(
        "clock",
        re.compile(rf"{_TIME_EDGE}(?P<hour>[0-9]{{1,2}}):(?P<minute>[0-5][0-9])(?:{_HALF}|(?![\w/]|[.,:][0-9]))"),
        _clock,
    ),
    Rule(
        "clock",
        re.compile(rf"{_TIME_EDGE}(?P<hour>1[0-2]|0?[1-9])(?:{DASH}(?P<to>1[0-2]|[1-9]))?(?:{_HALF})(?!\w)"),
        _whole_hour,
    ),
    Rule("decade", re.compile(r"(?<![\w.,/:$€£#])(?<![0-9]-)([0-9]{3,5})['’]?s\b"), _long_decade),
    Rule("decade", re.compile(r"(?<![\w.,/:$€£#])(?<![0-9]-)(['’]?)([2-9]0)['’]?s\b"), _short_decade),
    Rule(
        "era",
        re.compile(
            rf"{_EDGE}([0-9]{{1,3}}(?:,[0-9]{{3}})*|[0-9]{{1,4}}) ?(BCE?|CE|AD|B\.C\.(?:E\.)?|C\.E\.|A\.D\.)(?!\w)"
        ),
        _era,
    ),
    Rule("era", re.compile(r"\bA\.?D\.? ([0-9]{1,4})" + _DONE), _era_first),
    Rule(
        "year",
        re.compile(rf"{_EDGE}(1[1-9][0-9]{{2}}|20[0-9]{{2}}){DASH}(1[1-9][0-9]{{2}}|20[0-9]{{2}}|[0-9]{{2}}){_DONE}"),
        _years_or_not,
    ),
)
