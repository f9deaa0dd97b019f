"""The report's drawings: every value is in a bar, gates stand where they are, nothing is drawn outside."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.commands.report.distributions import quantities
from kespeechchat.commands.report.drawing import (
    WIDTH,
    Dot,
    Gate,
    Series,
    bars,
    bin_edges,
    histogram,
    nice_step,
    scatter,
)
from kespeechchat.config.load import load_pipeline

_VALUES = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=60)


def _bars(svg: str) -> list[tuple[str, int, dict[str, str]]]:
    """(name, count, attributes) of each bar."""
    found = []
    for rect in ElementTree.fromstring(svg).iter("rect"):
        title = rect.find("title")
        if title is not None:
            name, count = re.match(r"(.*): ([\d,]+)", title.text).groups()
            found.append((name, int(count.replace(",", "")), rect.attrib))
    return found


@given(_VALUES, st.lists(st.floats(-1e4, 1e4), max_size=2), st.booleans())
def test_the_bins_hold_all_values_and_gates(values, gates, whole) -> None:
    edges = bin_edges(np.array(values), gates, whole)
    steps = np.diff(edges)
    assert 1 <= len(steps) <= 60 and np.allclose(steps, steps[0])
    assert all(edges[0] - 1e-6 * steps[0] <= gate <= edges[-1] + 1e-6 * steps[0] for gate in gates)
    svg = histogram([Series("kept", "en", np.array(values))], "x", [Gate(g, "gate") for g in gates], whole=whole)
    assert sum(count for _, count, _ in _bars(svg)) == len(values)


@given(_VALUES, _VALUES)
def test_bars_of_two_series_are_stacked_inside_the_drawing(kept, left) -> None:
    svg = histogram([Series("kept", "en", np.array(kept)), Series("rejected", "left", np.array(left))], "x")
    found = _bars(svg)
    assert sum(n for name, n, _ in found if name == "rejected") == len(left)
    for _, count, at in found:
        assert count > 0 and float(at["y"]) >= 0 and float(at["x"]) >= 0
        assert float(at["x"]) + float(at["width"]) <= WIDTH + 1 and float(at["height"]) > 0


def test_a_gate_stands_between_what_it_keeps_and_what_it_refuses() -> None:
    kept, left = np.array([0.0, 0.02, 0.04]), np.array([0.07, 0.2])
    svg = histogram([Series("kept", "zh", kept), Series("rejected", "left", left)], "x", [Gate(0.05, "gate 5%")], True)
    tree = ElementTree.fromstring(svg)
    (line,) = [float(e.get("x1")) for e in tree.iter("line") if e.get("class") == "gate"]
    ends = {name: [] for name in ("kept", "rejected")}
    for name, _, at in _bars(svg):
        ends[name].append(float(at["x"]) + (float(at["width"]) if name == "kept" else 0))
    assert max(ends["kept"]) <= line <= min(ends["rejected"])
    assert [e.text for e in tree.iter("text") if e.get("class") == "gate-label"] == ["gate 5%"]


def test_the_limits_of_the_profile_are_drawn(quickstart) -> None:
    pipeline = load_pipeline(quickstart, ("stages.gate.max_error={zh: 0.07, en: null}",))
    found = {q.key: q for q in quantities(pipeline, ["dnsmos_ovrl", "distillmos", "own_voice", "dnsmos_sig"])}
    assert [g.at for g in found["error_rate"].gates("zh")] == [0.07] and found["error_rate"].gates("en") == []
    assert [g.at for g in found["score:dnsmos_ovrl"].gates("zh")] == [1.5]
    assert not found["score:distillmos"].gates("zh")
    assert [g.at for g in found["score:own_voice"].gates("en")] == [0.4] and "score:dnsmos_sig" not in found
    assert [g.at for g in found["pace"].gates("en")] == [0.03, 0.2] and [
        g.at for g in found["silence"].gates("en")
    ] == [1]


def test_names_in_a_drawing_are_text() -> None:
    name = "<b>\"'&"
    dots = [Dot(0, 0, "voice", shape, name) for shape in ("circle", "square", "cross")]
    for svg in (bars([(name, 1.0, "kept")], 2.0, name), scatter(dots, name)):
        tree = ElementTree.fromstring(svg)
        assert tree.get("aria-label") == name and not list(tree.iter("b"))
        assert {e.text.partition(": ")[0] for e in tree.iter("title")} == {name}


def test_no_drawing_has_a_colour_of_its_own() -> None:
    nine = np.arange(9.0)
    svg = histogram([Series("kept", "en", nine), Series("there", "against", nine, line=True)], "x", [Gate(3, "g")])
    assert not re.search(r"style=|fill=|stroke=|#[0-9a-f]{3}", svg)


@pytest.mark.parametrize(("span", "about", "step"), [(1, 5, 0.2), (0.93, 24, 0.05), (100, 24, 5), (0, 5, 2e-10)])
def test_steps_are_round(span, about, step) -> None:
    assert nice_step(span, about) == pytest.approx(step, rel=0.01)
