"""Numbers written in digits → Chinese words. 二 stands for 两 too, 一 for 幺: a digit does not say which is spoken."""

from __future__ import annotations

import re
from functools import lru_cache

from kespeechchat.text.spelling.scanner import Readings, unique

_DIGITS = "零一二三四五六七八九"
_STEPS = ("", "十", "百", "千")
_SCALES = ("", "万", "亿", "万亿")
_LONGEST = 16  # digits that still have a cardinal
_LAST_STEP = re.compile(
    r"(?:(?<=百)([一二三四五六七八九])十|(?<=千)([一二三四五六七八九])百|(?<=万)([一二三四五六七八九])千)$"
)


def _section(number: int) -> str:
    """A number under ten thousand, without zeros at its ends; empty for 0."""
    out, gap = "", False
    for step in range(3, -1, -1):
        digit = number // 10**step % 10
        if not digit:
            gap = True
            continue
        out += ("零" if gap and out else "") + _DIGITS[digit] + _STEPS[step]
        gap = False
    return out


@lru_cache(maxsize=4096)
def cardinal(number: int) -> str:
    """The number in words; 10 to 19 begin with 十.

    >>> cardinal(10500)
    '一万零五百'
    """
    if number == 0:
        return "零"
    out = ""
    for scale in range(len(_SCALES) - 1, -1, -1):
        part = number // 10000**scale % 10000
        if part:
            out += ("零" if out and part < 1000 else "") + _section(part) + _SCALES[scale]
    return out.removeprefix("一") if out.startswith("一十") else out


def one_by_one(digits: str) -> str:
    """The digits, one after the other."""
    return "".join(_DIGITS[int(d)] for d in digits)


@lru_cache(maxsize=4096)
def integer(written: str) -> Readings:
    """Readings of a whole number, with or without commas: as `quantity`, and from three digits on digit by
    digit. No two numbers share a reading, nor one of `short`.

    >>> integer("120")
    ('一百二十', '一二零')
    """
    digits = written.replace(",", "")
    spoken = list(quantity(digits)) if len(digits) <= _LONGEST else []
    if len(digits) > 9 or (len(digits) > 1 and digits[0] == "0"):
        return unique([one_by_one(digits), *spoken])
    return unique([*spoken, *([one_by_one(digits)] if written == digits and len(digits) > 2 else [])])


def short(written: str) -> Readings:
    """The number without its last step, where nothing that is counted follows; no reading where there is none.

    >>> short("120"), short("102")
    (('一百二',), ())
    """
    return tuple(r[:-1] for r in quantity(written)[:1] if _LAST_STEP.search(r))


@lru_cache(maxsize=4096)
def quantity(written: str) -> Readings:
    """Readings of a number that counts something (a unit, money, a percentage): with or without the 一 of 一十, never
    digit by digit, never short (12000g is not 一万二克, which would be 一万二千克 with kg).

    >>> quantity("15")
    ('十五', '一十五')
    """
    digits = written.replace(",", "")
    if not digits.isdecimal() or len(digits) > _LONGEST:
        return number(written)
    plain = cardinal(int(digits))
    spoken = [plain]
    if plain.startswith("十"):
        spoken.append("一" + plain)
    if re.search(r"[百零]一十", plain):
        spoken.append(re.sub(r"(?<=[百零])一十", "十", plain))
    return tuple(spoken)


def number(written: str) -> Readings:
    """Readings of a number with or without a decimal part.

    >>> number("3.14")
    ('三点一四',)
    """
    whole, point, part = written.partition(".")
    if not point:
        return integer(written)
    digits = whole.replace(",", "") or "0"
    head = cardinal(int(digits)) if len(digits) <= _LONGEST else one_by_one(digits)
    return (f"{head}点{one_by_one(part)}",)


def counted(written: str, scale: str) -> Readings:
    """Readings of a number before 万 or 亿; 1.5万 is also 一万五 and 一万五千."""
    whole, point, part = written.partition(".")
    spoken = [f"{r}{scale}" for r in quantity(written)]
    if point and len(part) == 1 and part != "0" and whole.strip("0,"):
        short = f"{cardinal(int(whole.replace(',', '')))}{scale}{one_by_one(part)}"
        spoken += [short, short + {"万": "千", "亿": "千万"}[scale]]
    return tuple(spoken)
