"""A benchmark ends in 1 where a bound does not hold, in 0 where all hold, and prints both sides."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import products, resume
from benchmarks.bounds import Bounds, number

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FIGURES = st.floats(allow_nan=False, width=32)


@given(FIGURES, FIGURES)
def test_a_bound_holds_on_its_side_of_the_limit(found, limit):
    bounds = Bounds()
    assert bounds.at_most("most", found, limit) == (found <= limit)
    assert bounds.at_least("least", found, limit) == (found >= limit)
    assert bounds.close() == (0 if found == limit else 1)


@pytest.mark.parametrize("judge", ["at_most", "at_least"])
def test_nan_holds_no_bound(judge):
    bounds = Bounds()
    assert not getattr(bounds, judge)("a figure", math.nan, 1.0)
    assert bounds.close() == 1


def test_one_broken_bound_of_several_is_exit_code_1_and_repeated_at_the_end(capsys):
    bounds = Bounds()
    bounds.at_most("status: peak memory", 2209, 2048, "MiB")
    bounds.at_most("status: time", 9.5, 60, "s")
    bounds.check("no Ray is started", True)
    assert bounds.close() == 1
    lines = capsys.readouterr().out.splitlines()
    broken = "status: peak memory: 2,209 MiB, at most 2,048 MiB: DOES NOT HOLD"
    assert lines[0] == broken and lines[-1].strip() == broken
    assert lines[1] == "status: time: 9.5 s, at most 60 s: holds"
    assert lines[-2] == "2 of 3 bounds hold"


def test_a_condition_that_does_not_hold_is_exit_code_1():
    bounds = Bounds()
    bounds.check("no Ray is started", False)
    assert bounds.close() == 1


def test_a_comparison_prints_both_sides_and_the_ratio(capsys):
    bounds = Bounds()
    assert bounds.compare(("build", 30.0), ("loop", 24.0), "s", at_most=1.2) == 1.25
    assert capsys.readouterr().out == "build 30 s, loop 24 s, ratio: 1.25, at most 1.2: DOES NOT HOLD\n"
    assert bounds.compare(("build", 30.0), ("loop", 24.0), "s") == 1.25
    assert capsys.readouterr().out == "build 30 s, loop 24 s, ratio: 1.25\n"
    assert bounds.judged == 1 and bounds.close() == 1


@pytest.mark.parametrize(("ours", "theirs"), [(-0.1, 24.0), (0.0, 24.0), (30.0, 0.0)])
def test_a_side_that_took_no_time_was_not_measured(ours, theirs):
    bounds = Bounds()
    bounds.compare(("build", ours), ("loop", theirs), "s", at_most=1.2)
    assert bounds.close() == 1


def test_a_run_that_judged_nothing_is_no_success():
    with pytest.raises(RuntimeError, match="no bound was judged"):
        Bounds().close()


@pytest.mark.parametrize(
    ("value", "shown"), [(2209.4, "2,209 MiB"), (0.0453, "0.0453 MiB"), (60.0, "60 MiB"), (97.428, "97.43 MiB")]
)
def test_figures_are_short(value, shown):
    assert number(value, "MiB") == shown


@pytest.mark.parametrize(("seconds", "ratio", "code"), [(600.0, 1e6, 0), (0.0, 1e6, 1), (600.0, 0.0, 1)])
def test_products_ends_in_1_where_it_takes_too_long(tmp_path, monkeypatch, seconds, ratio, code):
    monkeypatch.setattr(products, "SECONDS", seconds)
    monkeypatch.setattr(products, "RATIO", ratio)
    words = ["--dialogues", "400", "--voices", "320", "--processes", "1", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["products", *words])
    assert products.main() == code


@pytest.mark.faults
@pytest.mark.parametrize(("seconds", "code"), [(60.0, 0), (0.0, 1)])
def test_resume_ends_in_1_where_it_takes_too_long(tmp_path, monkeypatch, seconds, code):
    monkeypatch.setattr(resume, "LIMIT", seconds)
    assert resume.resume(tmp_path, 4).close() == code


def test_a_benchmark_that_states_a_bound_ends_in_the_exit_code_of_its_bounds():
    """Those that state one are found by their docstring, which must say how the run then ends."""
    for path in BENCHMARKS.glob("*.py"):
        text = path.read_text()
        stated = "\nBound" in text.split('"""')[1]
        assert stated == ("import Bounds" in text), path.name
        if stated and path.stem != "bounds":
            assert "Exit code 1 where" in " ".join(text.split('"""')[1].split()), path.name
            assert ".close()" in text and text.endswith('__main__":\n    sys.exit(main())\n'), path.name
