"""Figures as text for a reader: tables, sizes, hours, percentages. The one place that decides how they look."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterable, Sequence
from typing import TextIO
from unicodedata import combining, east_asian_width

NOTHING = "–"  # in place of a figure that there is none of
_NARROW = 40  # columns: a terminal that says less is taken for this
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")  # decimal, as disks are sold


def columns(lines: Sequence[Sequence[str]], align: str = "<>") -> list[str]:
    """Lines of a table, aligned; the first is usually the head.

    `align`: `<` (left) or `>` (right) for each column; the last sign serves the columns that follow.

    >>> columns([("stage", "rows"), ("gate", "1,200"), ("x", "7")])
    ['stage   rows', 'gate   1,200', 'x          7']
    """
    if not lines:
        return []
    widths = [max(cells(line[i]) for line in lines) for i in range(len(lines[0]))]
    signs = [align[min(i, len(align) - 1)] for i in range(len(widths))]
    rows = ([_padded(c, s, w) for c, s, w in zip(line, signs, widths, strict=True)] for line in lines)
    return ["  ".join(row).rstrip() for row in rows]


def value_kind(value: object) -> str:
    """What a value read from JSON or a table is, in words for the one who wrote it, with the value where it is short.

    >>> value_kind(5), value_kind(True), value_kind(None), value_kind([1]), value_kind({}), value_kind("a")
    ('the number 5', 'true', 'null', 'a list', 'an object', 'text')
    """
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return f"the number {value}" if len(str(value)) <= _NARROW else "a number"
    kinds = {list: "a list", dict: "an object", str: "text"}
    return next((words for kind, words in kinds.items() if isinstance(value, kind)), f"a {type(value).__name__}")


def _padded(cell: str, sign: str, width: int) -> str:
    room = " " * (width - cells(cell))
    return room + cell if sign == ">" else cell + room


def cells(text: str) -> int:
    """Columns that a text takes on a terminal: two for a Chinese character, none for a combining mark.

    >>> cells("gate"), cells("为什么？"), cells("e\u0301")
    (4, 8, 1)
    """
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def columns_of(stream: TextIO) -> int | None:
    """Columns of the terminal behind `stream`; None where there is none, so that lines stay as they are for grep."""
    return max(_NARROW, shutil.get_terminal_size().columns) if stream.isatty() else None


def folded(text: str, width: int | None, indent: int = 4) -> str:
    """`text` with lines of at most `width` columns, broken between words; what is behind a break is `indent` columns
    further in than its line. A span in backticks stays whole, so that a command can be copied, and so does a word that
    is longer than a line. None: as it is, which is what a pipe gets.

    >>> print(folded("gate  error_rate 6, run `kesc rows --stage gate` to see", 24))
    gate  error_rate 6, run
        `kesc rows --stage gate`
        to see
    """
    return text if width is None else "\n".join(_fold(line, width, indent) for line in text.split("\n"))


def _fold(line: str, width: int, indent: int) -> str:
    if cells(line) <= width:
        return line
    if not line.strip(" "):
        return ""
    start = len(line) - len(line.lstrip())
    words = re.findall(r" *(?:[^ `]*`[^`]*`[^ `]*|[^ ]+)", line)
    lines, inner = [words[0]], " " * (start + indent)
    for word in words[1:]:
        if cells(lines[-1]) + cells(word) <= width:
            lines[-1] += word
        else:
            lines.append(inner + word.lstrip())
    return "\n".join(lines)


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
