"""Figures as text for a reader: tables, sizes, hours, percentages. The one place that decides how they look."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

NOTHING = "–"  # in place of a figure that there is none of
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")  # decimal, as disks are sold


def columns(lines: Sequence[Sequence[str]], align: str = "<>") -> list[str]:
    """Lines of a table, aligned; the first is usually the head.

    `align`: `<` (left) or `>` (right) for each column; the last sign serves the columns that follow.

    >>> columns([("stage", "rows"), ("gate", "1,200"), ("x", "7")])
    ['stage   rows', 'gate   1,200', 'x          7']
    """
    if not lines:
        return []
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    signs = [align[min(i, len(align) - 1)] for i in range(len(widths))]
    cells = ([f"{c:{s}{w}}" for c, s, w in zip(line, signs, widths, strict=True)] for line in lines)
    return ["  ".join(line).rstrip() for line in cells]


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table. Whole numbers get thousands separators, None becomes a dash, bars in cells are escaped.

    >>> print(markdown_table(["a", "b"], [[1234, "x|y"], [None, 0.5]]))
    | a | b |
    | --- | --- |
    | 1,234 | x\\|y |
    | – | 0.5 |
    """
    lines: list[Sequence[object]] = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    text = NOTHING if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def number(value: float) -> str:
    """Two significant digits; whole numbers below 100 as they are; nothing finer than a thousandth.

    >>> number(0.0123), number(7), number(1234), number(0.0001), number(float("inf"))
    ('0.012', '7', '1,200', '<0.001', '∞')
    """
    if not math.isfinite(value):
        return "∞"
    if value == int(value) and 0 <= value < 100:
        return str(int(value))
    if 0 < value < 0.001:
        return "<0.001"
    rounded = float(f"{value:.2g}")
    if rounded == int(rounded):
        return f"{rounded:,.0f}"
    return f"{rounded:,.{max(0, 1 - math.floor(math.log10(abs(rounded))))}f}"


def counted(number: int, one: str, many: str = "") -> str:
    """So many things: `one` is the word for a single one, `many` the plural where it is not `one` with an s.

    >>> counted(1, "row"), counted(0, "row"), counted(1234, "row"), counted(2, "person", "people")
    ('1 row', '0 rows', '1,234 rows', '2 people')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(count: float) -> str:
    """So many bytes, in the decimal unit that fits.

    >>> size(0), size(999), size(12_345), size(5_850_000_000)
    ('0 bytes', '1 kB', '12 kB', '5.8 GB')
    """
    if not math.isfinite(count):
        return "∞"
    for unit in _UNITS:
        text = number(count)
        if len(text.partition(".")[0]) < 4 or unit == _UNITS[-1]:
            return f"{text} {unit}"
        count /= 1000
    raise AssertionError("the last unit takes any size")


def hours(value: float | None) -> str:
    """Hours without their unit: four decimals below one hour, one below a thousand, then none. None counts as 0.

    >>> hours(0.51234), hours(12.34), hours(39_120.4), hours(None)
    ('0.5123', '12.3', '39,120', '0.0000')
    """
    value = value or 0.0
    return f"{value:,.4f}" if value < 1 else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def percent(share: float | None, digits: int = 2) -> str:
    """A share of 1 as a percentage; a dash for None.

    >>> percent(0.1234), percent(0.5, 0), percent(None)
    ('12.34%', '50%', '–')
    """
    return NOTHING if share is None else f"{share:.{digits}%}"
