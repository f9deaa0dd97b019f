"""What a reader sees of figures: aligned, in the right unit, with no more digits than mean something."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat import display

_THINGS = re.compile(
    r" (rows|shards|dialogues|files|clips|voices|speakers|models|settings|errors|problems|objects)\b(?!/)"
)
_NO_FIGURES = {  # values that are words, or at least two; and what `speakers` writes into its rows
    *("name", "split", "self.min_clips", "len(core)", "len(good)", "len(clips.ids)"),
}
_CELL = st.text(alphabet="ab|1 ", max_size=6)


def test_its_examples_hold():
    assert doctest.testmod(display).failed == 0


@given(st.lists(st.tuples(_CELL, _CELL, _CELL.map(lambda c: c + "x")), min_size=1, max_size=6))
def test_columns_stand_under_each_other(lines):
    shown = display.columns(lines, "<>")
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    for text, (left, middle, right) in zip(shown, lines, strict=True):
        assert text == f"{left.ljust(widths[0])}  {middle.rjust(widths[1])}  {right.rjust(widths[2])}".rstrip()


_PIECES = ("a", "word", "月亮", "`a b`", "`", " ", "        ", "\n")


@given(st.lists(st.sampled_from(_PIECES), max_size=20).map("".join), st.integers(4, 30), st.integers(0, 4))
def test_folding_keeps_every_word_and_is_as_wide_as_asked(text, width, indent):
    shown = display.folded(text, width, indent)
    assert "".join(shown.split()) == "".join(text.split())
    for line in shown.split("\n"):
        words = len(re.findall(r" *(?:[^ `]*`[^`]*`[^ `]*|[^ ]+)", line))
        assert display.cells(line) <= width or words == 1, line


def test_a_line_of_blanks_wider_than_the_terminal_is_folded_to_nothing():
    assert display.folded("a\n" + " " * 50 + "\nb", 40) == "a\n\nb"


def test_the_last_sign_serves_the_rest():
    assert display.columns([("a", "bb", "c"), ("aa", "b", "cc")], "<") == ["a   bb  c", "aa  b   cc"]
    assert display.columns([]) == []


@given(st.floats(0.001, 1e12))
def test_a_number_is_within_a_twentieth_of_itself(value):
    assert float(display.number(value).replace(",", "")) == pytest.approx(value, rel=0.051)


@given(st.integers(0, 10**17))
def test_a_size_is_at_most_three_digits_of_its_unit(count):
    text, unit = display.size(count).split(" ")
    factor = 1000 ** ("bytes", "kB", "MB", "GB", "TB", "PB").index(unit)
    value = float(text.replace(",", ""))
    assert value * factor == pytest.approx(count, rel=0.051)
    assert value < 1000 or unit == "PB"


@given(st.floats(0, 1e6))
def test_hours_keep_what_matters(value):
    assert float(display.hours(value).replace(",", "")) == pytest.approx(value, abs=6e-5 if value < 1 else 0.51)


def test_bars_and_breaks_in_cells_are_escaped():
    assert display.markdown_table(["a"], [["x|y\nz"]]).splitlines()[-1] == "| x\\|y z |"


def _counts_without_the_helper(file: Path) -> Iterator[str]:
    """Places of a file where a figure stands before a plural: of one thing it would be wrong."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for value, text in pairwise(parts):
            name = ast.unparse(value.value) if isinstance(value, ast.FormattedValue) else None
            figure = name is not None and not name.lstrip("_").isupper() and name not in _NO_FIGURES
            if figure and isinstance(text, ast.Constant) and _THINGS.match(text.value):
                yield f"{file.name}:{node.lineno}: {ast.unparse(node)[:100]}"


def test_one_thing_is_never_many():
    """Every count of things goes through `display.counted`, but for figures that are never one."""
    package = Path(display.__file__).parent
    found = {place for file in package.rglob("*.py") for place in _counts_without_the_helper(file)}
    assert not found, "\n".join(sorted(found))
