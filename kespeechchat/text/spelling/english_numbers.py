"""Numbers written in digits → the words for them, in English. Numbers in words need no reading but their own."""

from __future__ import annotations

import re
from functools import lru_cache

from kespeechchat.text.spelling.scanner import Readings, unique

ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ("", "thousand", "million", "billion", "trillion")
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
ORDINAL_ONES = tuple(_ORDINALS.get(w, w + "th") for w in ONES)
ORDINAL_TENS = tuple(w[:-1] + "ieth" for w in TENS[2:])
_LONGEST = 15  # digits that still have a cardinal


@lru_cache(maxsize=4096)
def cardinal(number: int) -> str:
    """The number in words, without "and".

    >>> cardinal(1205)
    'one thousand two hundred five'
    """
    if number < 100:
        return _below_hundred(number)
    words: list[str] = []
    for scale in range(len(SCALES) - 1, -1, -1):
        part = number // 1000**scale % 1000
        if not part:
            continue
        if part >= 100:
            words += [ONES[part // 100], "hundred"]
        if part % 100:
            words.append(_below_hundred(part % 100))
        words += [SCALES[scale]] if scale else []
    return " ".join(words)


def _below_hundred(number: int) -> str:
    if number < 20:
        return ONES[number]
    return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")


def ordinal(number: int) -> str:
    """The number as an ordinal in words.

    >>> ordinal(21)
    'twenty first'
    """
    head, _, last = cardinal(number).rpartition(" ")
    last = last[:-1] + "ieth" if last.endswith("y") else _ORDINALS.get(last, last + "th")
    return f"{head} {last}".strip()


def one_by_one(digits: str) -> str:
    """The digits, one after the other."""
    return " ".join(ONES[int(d)] for d in digits)


def _with_oh(spoken: str) -> str:
    """The zeros at either end as "oh"; between numbers the two are one wording (`english_words.one_wording`)."""
    return re.sub(r"^(?:zero )+|(?: zero)+$", lambda found: found[0].replace("zero", "oh"), spoken)


@lru_cache(maxsize=4096)
def integer(written: str) -> Readings:
    """Readings of a whole number, with or without commas: as a cardinal, in groups as years and house numbers are read,
    and from three digits on digit by digit. No two numbers share a reading.

    >>> integer("1905")
    ('nineteen zero five', 'one thousand nine hundred five', 'one nine zero five')
    """
    digits = written.replace(",", "")
    spoken = [cardinal(int(digits))] if len(digits) <= _LONGEST else []
    single = [one_by_one(digits), _with_oh(one_by_one(digits))]
    if len(digits) > 9 or (len(digits) > 1 and digits[0] == "0"):
        return unique([*single, *spoken])
    if grouped := _grouped(digits):
        year = "1100" <= digits <= "2099" and digits[2:] != "00" and not digits.startswith("200")
        spoken.insert(0 if year and len(digits) == 4 and written == digits else 1, grouped)
    return unique([*spoken, *(single if written == digits and len(digits) > 2 else [])])


def _grouped(digits: str) -> str | None:
    """Two and two digits of four (nineteen zero five, fifteen hundred), one and two of three (two twenty one)."""
    if len(digits) not in (3, 4):
        return None
    head, tail = int(digits[:-2]), int(digits[-2:])
    if tail == 0:
        return f"{cardinal(head)} hundred" if head % 10 else None
    return f"{cardinal(head)} {'zero ' if tail < 10 else ''}{cardinal(tail)}"


def quantity(written: str) -> Readings:
    """Readings of a number that counts something (units, money, percentages): never digit by digit, in groups only
    without a zero (twelve fifty, fifteen hundred).

    >>> quantity("205")
    ('two hundred five',)
    """
    digits = written.replace(",", "")
    if not digits.isdigit() or len(digits) > _LONGEST:
        return number(written)
    grouped = _grouped(digits.lstrip("0"))
    return unique([cardinal(int(digits)), *([grouped] if grouped and "zero" not in grouped else [])])


def number(written: str) -> Readings:
    """Readings of a number with or without a decimal part.

    >>> number("2.5")
    ('two point five', 'two and a half')
    """
    whole, point, part = written.partition(".")
    if not point:
        return integer(written)
    tail = f"point {one_by_one(part)}"
    spoken = [f"{cardinal(int(whole.replace(',', '')))} {tail}"] if whole and len(whole) <= _LONGEST else []
    if not whole.strip("0"):
        spoken = [f"zero {tail}", tail]
    elif part == "5":
        spoken += [f"{r.removesuffix(f' {tail}')} and a half" for r in spoken]
    return tuple(spoken) or (f"{one_by_one(whole.replace(',', ''))} {tail}",)
