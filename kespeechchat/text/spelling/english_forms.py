"""Rules for what is written in digits and signs in English: numbers, years, dates, clock times, money, units."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kespeechchat.text.spelling.english_numbers import (
    ONES,
    TENS,
    cardinal,
    integer,
    number,
    one_by_one,
    ordinal,
    quantity,
)
from kespeechchat.text.spelling.english_units import CURRENCIES, PARTS, UNITS, unit
from kespeechchat.text.spelling.scanner import Readings, Scanner, rule, unique

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_SHORT = {m[:3]: m for m in MONTHS} | {m: m for m in MONTHS} | {"sept": "september"}
_MONTH = "(?i:" + "|".join(sorted(_SHORT, key=len, reverse=True)) + ")"
_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_UNIT = "|".join(re.escape(u) for u in UNITS)
_NOON = r"([ \t]?[AaPp]\.?[ \t]?[Mm](?![\w])\.?)?"
_SCALE = r"(?:[ -]?(hundred|thousand|million|billion|trillion|bn|[kKmMbB])\b)?"
_SCALES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}


def _noon(written: str | None) -> list[Readings]:
    return [(f"{written.strip()[0].lower()} m",)] if written else []


def _month_day(month: int, day: int) -> Readings:
    name, first, plain = MONTHS[month - 1], ordinal(day), cardinal(day)
    return (f"{name} {first}", f"{name} {plain}", f"{name} the {first}", f"the {first} of {name}", f"{first} of {name}")


@rule(r"(?<![\w.])([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})(?!\w)")
def _iso_date(found: re.Match[str]) -> Sequence[Readings] | None:
    month, day = int(found[2]), int(found[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return [_month_day(month, day), integer(found[1])]


@rule(r"(?<![\w/.])([0-9]{1,2})/([0-9]{1,2})/((?:[0-9]{2})?[0-9]{2})(?![\w/])")
def _slash_date(found: re.Match[str]) -> Sequence[Readings] | None:
    month, day = int(found[1]), int(found[2])
    if month > 12:  # only then is it a day; else the American order holds
        month, day = day, month
    return [_month_day(month, day), integer(found[3])] if 1 <= month <= 12 and 1 <= day <= 31 else None


@rule(rf"(?<!\w)({_MONTH})\.? ([0-9]{{1,2}})(?:st|nd|rd|th)?(?![\w:/%]|[.,][0-9])")
def _month_first(found: re.Match[str]) -> Sequence[Readings] | None:
    day = int(found[2])
    if not 1 <= day <= 31:
        return None
    readings = _month_day(MONTHS.index(_SHORT[found[1].lower()]) + 1, day)
    if found[0][-1].isdigit():
        return [readings]
    return [(readings[0], readings[2])]  # "May 3rd" is not "May three"


@rule(rf"(?<![\w.,:/$])([0-9]{{1,2}}) ({_MONTH})(?!\w)\.?")
def _day_first(found: re.Match[str]) -> Sequence[Readings] | None:
    day, name = int(found[1]), _SHORT[found[2].lower()]
    if not 1 <= day <= 31:
        return None
    plain, *others = _month_day(MONTHS.index(name) + 1, day)
    return [(f"{cardinal(day)} {name}", f"{ordinal(day)} {name}", *others[2:], plain, *others[:2])]


@rule(rf"([$£€¥])[ ]?({_NUMBER}){_SCALE}")
def _money(found: re.Match[str]) -> Sequence[Readings] | None:
    sign, amount, scale = found[1], found[2].replace(",", ""), found[3]
    one, many = CURRENCIES[sign]
    if scale:
        word = _SCALES.get(scale.lower(), scale.lower())
        return [quantity(amount), (word,), many]
    whole, point, part = amount.partition(".")
    if point and len(part) == 2 and whole:
        return [_dollars_and_cents(sign, int(whole), int(part))]
    return [quantity(found[2]), one if amount == "1" else many]


def _dollars_and_cents(sign: str, whole: int, part: int) -> Readings:
    one, many = CURRENCIES[sign]
    name, names = PARTS.get(sign, ("", ""))
    count, rest = cardinal(whole), cardinal(part)
    with_name = [f"{count} {n}" for n in (one if whole == 1 else many)]
    if part == 0:
        return tuple(with_name)
    cents = f"{rest} {name if part == 1 else names}".strip()
    zero = f"zero {rest}" if part < 10 else rest
    spoken = [cents] if whole == 0 else []
    spoken += [f"{n} and {cents}" for n in with_name] + [f"{n} {cents}" for n in with_name]
    spoken += [f"{n} {zero}" for n in with_name] + ([f"{count} {zero}"] if sign == "$" else [])
    digits = f"{part:02d}"
    points = [f"{count} point {one_by_one(d)} {n}" for d in (digits, digits.rstrip("0")) for n in many]
    return unique([*spoken, *points])


@rule(
    rf"(?<![\w.:])([0-9]{{1,2}}):([0-9]{{2}})(?::([0-9]{{2}}))?(?![\w:]){_NOON}|"
    rf"(?<![\w.:])([0-9]{{1,2}}):([0-9]{{2}}){_NOON.rstrip('?')}"
)
def _clock(found: re.Match[str]) -> Sequence[Readings] | None:
    hour, minute = int(found[1] or found[5]), int(found[2] or found[6])
    noon = _noon(found[4] or found[7])
    if found[3]:
        parts = [cardinal(int(p)) if int(p) >= 10 else f"zero {cardinal(int(p))}" for p in (found[2], found[3])]
        return [(" ".join([cardinal(hour), *parts]),), *noon]
    spoken = _time(hour, minute) if hour <= 24 and minute < 60 else []
    if (found[2] or found[6])[0] != "0" or not spoken:  # nobody writes a ratio as 1:05
        spoken.append(f"{cardinal(hour)} to {cardinal(minute)}")
    return [unique(spoken), *noon]


def _time(hour: int, minute: int) -> list[str]:
    this, after = cardinal(hour), cardinal(hour % 12 + 1)
    if minute == 0:
        return [this, f"{this} oclock", *([f"{this} hundred"] if hour > 12 else [])]
    spoken = [f"{this} {'zero ' if minute < 10 else ''}{cardinal(minute)}"]
    if hour == 0 or hour > 12:
        return spoken
    if minute in (15, 30):
        return [*spoken, f"{'quarter' if minute == 15 else 'half'} past {this}"] + (
            [f"a quarter past {this}"] if minute == 15 else []
        )
    if minute == 45:
        return [*spoken, f"quarter to {after}", f"a quarter to {after}"]
    if minute % 5 == 0:
        spoken.append(f"{cardinal(minute)} past {this}" if minute < 30 else f"{cardinal(60 - minute)} to {after}")
    return spoken


_PLURAL_TENS = {f"{n}0": TENS[n][:-1] + "ies" if n > 1 else "tens" for n in range(1, 10)}


@rule(r"(?<![\w.,$])('?)([0-9]{1,4})'?s(?!\w)")
def _decade(found: re.Match[str]) -> Sequence[Readings] | None:
    """1990s, '90s, 1900s, 100s. A bare 90s may also be ninety seconds, a 1990s may not."""
    short, digits = found[1], found[2]
    seconds = tuple(f"{cardinal(int(digits))} {s}" for s in ("seconds", "second"))
    head, tail = digits[:-2], digits[-2:]
    if tail in _PLURAL_TENS and len(digits) in (2, 4):
        plural = f"{cardinal(int(head))} {_PLURAL_TENS[tail]}" if head else _PLURAL_TENS[tail]
        return [(plural,) if head or short else (plural, *seconds)]
    if tail == "00" and len(digits) == 4:
        hundreds = f"{cardinal(int(head))} hundreds"
        return [(f"{cardinal(int(digits))}s", hundreds) if head[-1] == "0" else (hundreds,)]
    if short or len(digits) == 4:
        return None
    if digits == "100":
        return [("hundreds", f"{cardinal(100)}s", *seconds)]
    return [seconds if len(digits) > 1 else (*seconds, f"{ONES[int(digits)]}s")]


@rule(r"(?<![\w.])([0-9]{1,3}(?:,[0-9]{3})*|[0-9]{1,6})(?i:st|nd|rd|th)(?!\w)")
def _ordinal(found: re.Match[str]) -> Sequence[Readings] | None:
    return [(ordinal(int(found[1].replace(",", ""))),)]


_SAID_AS_TWO = frozenset(["24/7", "50/50", "20/20", "9/11", "7/11"])


@rule(r"(?<![\w.,/])(?:([0-9]+) )?([0-9]{1,2})/([0-9]{1,3})(?![\w/])")
def _fraction(found: re.Match[str]) -> Sequence[Readings] | None:
    over, under = int(found[2]), int(found[3])
    if under == 0:
        return None
    names = {2: ["half"], 4: ["quarter", "fourth"]}.get(under, [ordinal(under)])
    plural = [("halves" if n == "half" else f"{n}s") if over != 1 else n for n in names]
    parts = [f"{cardinal(over)} {n}" for n in plural]
    if over == 1:
        parts += [f"a {n}" for n in names] + (["half"] if under == 2 else [])
    if found[1]:
        return [integer(found[1]), unique([f"and {p}" for p in parts if p != "half"])]
    between = ("over ", "slash ", "out of ", *([""] if found[0] in _SAID_AS_TWO else []))
    return [unique([*parts, *(f"{cardinal(over)} {word}{cardinal(under)}" for word in between)])]


@rule(r"(?<=[0-9%])[-~](?=[$£€]?[0-9])")
def _range(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("to", "through", "dash", "minus")]


@rule(r"(?<=[0-9]) - (?=[$£€]?[0-9])")
def _difference(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("minus", "to")]


@rule(r"(?<=[0-9]) ?x ?(?=[0-9])")
def _product(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("times", "by", "x")]


@rule(r"(?<![\w.-])[0-9]{3}-(?:[0-9]{3}-)?[0-9]{4}(?![\w-])")
def _telephone(found: re.Match[str]) -> Sequence[Readings] | None:
    parts = found[0].split("-")
    return [segment for part in parts for segment in (("", "dash", "to"), integer(part))][1:]


@rule(r"(?<![\w)\]%.])-(?=[$£€]?\.?[0-9])")
def _minus(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("minus", "negative")]


@rule(r"(?<![\w.])[0-9]+(?:\.[0-9]+){2,}(?![\w])")
def _dotted_numbers(found: re.Match[str]) -> Sequence[Readings] | None:
    parts = [cardinal(int(p)) for p in found[0].split(".") if len(p) < 9]
    return [tuple(word.join(parts) for word in (" point ", " dot ", " "))]


@rule(
    rf"(?:(?<!\w)([Aa]) (?=1(?:,?000|00)\b))?({_NUMBER})"
    rf"(?:{_NOON.rstrip('?')}|([ -]?)({_UNIT})(?![A-Za-z0-9/]))?"
)
def _number(found: re.Match[str]) -> Sequence[Readings] | None:
    article, written, noon, gap, of = found.groups()
    readings = quantity(written) if of else number(written)
    if article:
        readings = (*readings, *(f"a {r}" for r in readings))
    if not of:
        return [readings, *_noon(noon)]
    units = unit(of, one=written == "1")
    if of == "m" and not gap:
        units = (*units, "million")
    return [readings, units]


@rule(r"(?<![\w.,])([1-9][0-9,]*00) and ([0-9]{1,2})(?![\w.,:%])")
def _and_in_number(found: re.Match[str]) -> Sequence[Readings] | None:
    """A recognizer's "1000 and 1" is one number said in two parts."""
    return [tuple(f"{hundreds} and {cardinal(int(found[2]))}" for hundreds in quantity(found[1]))]


_SIGNS: dict[str, Readings] = {
    "%": ("percent",),
    "&": ("and",),
    "+": ("plus",),
    "=": ("equals", "equal", "is"),
    "@": ("at",),
    "°": ("degrees", "degree"),
    "×": ("times", "by"),
    "÷": ("divided by",),
    "§": ("section",),
    "$": ("dollars", "dollar"),
    "£": ("pounds", "pound"),
    "€": ("euros", "euro"),
    "¥": ("yen", "yuan"),
}


@rule("[" + "".join(_SIGNS) + "]")
def _sign(found: re.Match[str]) -> Sequence[Readings] | None:
    return [_SIGNS[found[0]]]


@rule(r"#(?=\w)")
def _hash(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("number", "hashtag", "")]


@rule(r"(?<=\w)/(?=\w)")
def _slash(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("", "slash", "or", "per")]


@rule(r"(?<=\w)\.(?=[^\W\d_])")
def _dot(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("", "dot", "point")]


@rule(r"(?<![\w.])(?:[A-Za-z](?:\.[A-Za-z])+(?:\.|(?!\w))|Ph\.?D\.?(?!\w))")
def _letters(found: re.Match[str]) -> Sequence[Readings] | None:
    """U.S., a.m., Ph.D.: letter by letter. From three letters on, or in o.k., also as a word (N.A.S.A.)."""
    letters = re.sub(r"[^a-z]", "", found[0].lower())
    spelled = " ".join(letters)
    known = {"eg": ("for example",), "ie": ("that is",), "ok": ("ok",)}.get(letters, ())
    return [(spelled, *known, *((letters,) if len(letters) > 2 else ()))]


@rule(r"(?i:\bno)\. ?(?=[0-9])")
def _number_sign(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("number",)]


FORMS = Scanner(
    [
        _iso_date,
        _slash_date,
        _month_first,
        _day_first,
        _money,
        _clock,
        _decade,
        _ordinal,
        _fraction,
        _telephone,
        _difference,
        _product,
        _range,
        _minus,
        _dotted_numbers,
        _number_sign,
        _and_in_number,
        _number,
        _letters,
        _hash,
        _slash,
        _dot,
        _sign,
    ]
)
"""Everything in an English text that is not a word of letters."""
