"""English number words, without hyphens: "twenty five", "one thousand and one", "nineteen oh five"."""

from __future__ import annotations

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ("", "", *["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])
SCALES = ("", "thousand", "million", "billion", "trillion")
LARGEST = 10 ** (3 * len(SCALES)) - 1
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip


def cardinal(number: int) -> str:
    """The words of a whole number from 0 to `LARGEST`; digit by digit above.

    >>> cardinal(1001)
    'one thousand and one'
    >>> cardinal(1_230_045)
    'one million two hundred and thirty thousand and forty five'
    """
    if number > LARGEST:
        return digits(str(number))
    if number < 1000:
        return _below_thousand(number)
    groups = []
    rest = number
    for scale in SCALES:
        rest, group = divmod(rest, 1000)
        if group:
            words = _below_thousand(group)
            groups.append(f"{words} {scale}" if scale else f"and {words}" if group < 100 else words)
    return " ".join(reversed(groups))


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if hundreds:
        return f"{ONES[hundreds]} hundred" + (f" and {_below_thousand(rest)}" if rest else "")
    return (
        ONES[number] if number < 20 else " ".join(filter(None, (TENS[number // 10], ONES[rest % 10] * (rest % 10 > 0))))
    )


def number(written: str) -> str:
    """The words of digits with thousands' commas and a decimal point: "1,200.50" and ".5" too.

    >>> number("1,200.50")
    'one thousand two hundred point five zero'
    """
    whole, _, decimals = written.replace(",", "").partition(".")
    words = cardinal(int(whole or 0)) if whole in ("", "0") or not whole.startswith("0") else digits(whole)
    return f"{words} point {digits(decimals)}" if decimals else words


def digits(written: str, zero: str = "zero") -> str:
    """Digit by digit; what is no digit is passed over."""
    return " ".join(zero if d == "0" else ONES[int(d)] for d in written if d in "0123456789")


def ordinal(number: int) -> str:
    """
    >>> ordinal(21)
    'twenty first'
    """
    head, _, last = cardinal(number).rpartition(" ")
    last = _ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return f"{head} {last}".strip()


def plural(words: str) -> str:
    """The plural of number words: "twenties", "sixes", "nineteen hundreds"."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")


def year(number: int) -> str:
    """A year as it is said: "nineteen oh five", "two thousand five", "twenty ten", "fifty five"."""
    century = number // 100
    if century < 10 or century > 99 or number % 1000 == 0 or 2000 <= number < 2010:
        return cardinal(number).replace(" and ", " ") if number >= 2000 else cardinal(number)
    return pairs(number)


def pairs(number: int) -> str:
    """Two digits at a time, as years, houses, rooms and flights are said: "two twenty one", "twelve oh five"."""
    head, rest = divmod(number, 100)
    if not head or number % 1000 == 0:
        return cardinal(number)
    tail = "hundred" if rest == 0 else f"oh {ONES[rest]}" if rest < 10 else cardinal(rest)
    return f"{cardinal(head)} {tail}"
