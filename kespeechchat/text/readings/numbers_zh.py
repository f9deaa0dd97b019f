"""Chinese number words: 一千零一, 两百二十, 二〇〇八 as 二零零八."""

from __future__ import annotations

DIGITS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")
_SCALES = ("", "万", "亿", "万亿")
LARGEST = 10**16 - 1


def cardinal(number: int) -> str:
    """The words of a whole number from 0 to `LARGEST`; digit by digit above. 2 alone is 二 (see `counted`).

    >>> cardinal(10010), cardinal(220), cardinal(12)
    ('一万零一十', '两百二十', '十二')
    """
    if number > LARGEST:
        return digits(str(number))
    if number == 0:
        return DIGITS[0]
    parts: list[str] = []
    groups = _groups(number)
    for place in reversed(range(len(groups))):
        group = groups[place]
        if not group:
            continue
        skipped = bool(parts) and (group < 1000 or groups[place + 1] == 0)
        words = _below_ten_thousand(group)
        if group == 2 and place:
            words = "两"
        parts.append(("零" if skipped else "") + words + _SCALES[place])
    words = "".join(parts)
    return words[1:] if words.startswith("一十") else words


def _groups(number: int) -> list[int]:
    groups = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    return groups


def _below_ten_thousand(number: int) -> str:
    words, zero = "", False
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if not digit:
            zero = bool(words)
            continue
        two = digit == 2 and (place == 3 or (place == 2 and not words))
        words += ("零" if zero else "") + ("两" if two else DIGITS[digit]) + _PLACES[place]
        zero = False
    return words


def counted(number: int) -> str:
    """A count before a measure word: 2 is 两."""
    return "两" if number == 2 else cardinal(number)


def number(written: str) -> str:
    """The words of digits with thousands' commas and a decimal point.

    >>> number("1,200.50")
    '一千二百点五零'
    """
    whole, _, decimals = written.replace(",", "").partition(".")
    words = cardinal(int(whole or 0)) if whole in ("", "0") or not whole.startswith("0") else digits(whole)
    return f"{words}点{digits(decimals)}" if decimals else words


def quantity(written: str) -> str:
    """As `number`, but a bare 2 is 两, as before a measure word or a unit."""
    return "两" if written == "2" else number(written)


def digits(written: str, one: str = "一") -> str:
    """Digit by digit; what is no digit is passed over. In a telephone number `one` is 幺."""
    return "".join(one if d == "1" else DIGITS[int(d)] for d in written if d in "0123456789")
