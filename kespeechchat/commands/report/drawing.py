"""Histograms, bars and maps as SVG that the page's style sheet colours.

Plotting libraries were tried for this. What they write carries its colours in style attributes or in a style sheet of
its own (matplotlib, pygal), which the page's Content-Security-Policy refuses and which stay light in the dark, or needs
megabytes of script (plotly, bokeh), of the five that a report may have in all. A histogram is some rectangles; so they
are written here, with classes in place of colours. Coordinates are pixels of a drawing 360 wide, which a phone shows as
it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT = 360, 156
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 8, 30, 24  # around the plot
_BINS = 24  # about so many


@dataclass(frozen=True)
class Series:
    """Values of one kind: their `name` for the legend, and the CSS class of their bars (or, with `line`, of a line)."""

    name: str
    css: str
    values: np.ndarray
    line: bool = False


@dataclass(frozen=True)
class Gate:
    """A limit, drawn as a line with its `label`."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A figure of the page: `title` above, the drawing, `caption` below; `series` that it shows, for the legend."""

    title: str
    svg: Markup
    caption: str
    series: tuple[Series, ...] = field(default=(), repr=False)


def nice_step(span: float, about: int) -> float:
    """1, 2 or 5 times a power of ten, so that `about` steps of it make the span, or somewhat fewer.

    >>> nice_step(0.93, 10), nice_step(7, 5)
    (0.1, 2.0)
    """
    raw = max(span, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(raw))
    return float(next(f * power for f in (1, 2, 5, 10) if f * power >= raw * (1 - 1e-9)))


def bin_edges(values: np.ndarray, limits: Sequence[float] = (), whole: bool = False) -> np.ndarray:
    """Even edges on round numbers, over all values but the outermost two in a thousand and over all `limits`; `whole`:
    each bin holds whole numbers, and is centred on them."""
    inside = np.quantile(values, (0.002, 0.998)) if len(values) else np.array([0.0, 1.0])
    low, high = min([inside[0], *limits]), max([inside[1], *limits])
    step = max(nice_step(high - low or abs(high) or 1.0, _BINS), 1.0 if whole else 0.0)
    shift = 0.5 if whole else 0.0
    first = math.floor((low + shift) / step + 1e-9)
    last = max(math.floor((high + shift) / step + 1e-9) + 1, first + 1)
    return np.arange(first, last + 1) * step - shift


def histogram(
    series: Sequence[Series], label: str, gates: Sequence[Gate] = (), percent: bool = False, whole: bool = False
) -> Markup:
    """Stacked bars of the series that are no line, and lines of those that are; the gates over them. What lies beyond
    the edges counts in the outermost bins. `label`: what it shows, for a reader who cannot see it."""
    every = np.concatenate([s.values for s in series]) if series else np.zeros(0)
    edges = bin_edges(every, [g.at for g in gates], whole)
    counts = [np.histogram(np.clip(s.values, edges[0], np.nextafter(edges[-1], -np.inf)), edges)[0] for s in series]
    stacked = np.sum([c for s, c in zip(series, counts, strict=True) if not s.line], axis=0) + np.zeros(len(edges) - 1)
    most = max([stacked.max(initial=0), *(c.max(initial=0) for c in counts), 1])
    x, y = _scale(edges[0], edges[-1], _LEFT, WIDTH - _RIGHT), _scale(0, most, HEIGHT - _BOTTOM, _TOP)
    out = [_line("axis", _LEFT, y(0), WIDTH - _RIGHT, y(0))]
    base = np.zeros(len(edges) - 1)
    for one, own in zip(series, counts, strict=True):
        if one.line:
            out.append(_steps(one.css, edges, own, x, y))
            continue
        for i in np.flatnonzero(own):
            left, right = x(edges[i]) + 0.5, x(edges[i + 1]) - 0.5
            top, bottom = y(base[i] + own[i]), y(base[i])
            told = f"{one.name}: {own[i]:,} from {_number(edges[i], percent)} to {_number(edges[i + 1], percent)}"
            out.append(_rect(f"bar {one.css}", left, top, max(right - left, 1), bottom - top, told))
        base += own
    out += _ticks(edges[0], edges[-1], x, percent)
    out += _gates(gates, x)
    out.append(_text("soft", WIDTH - _RIGHT, 11, f"most {int(most):,}", "end"))
    return _svg(out, label)


def bars(parts: Sequence[tuple[str, float, str]], total: float, label: str) -> Markup:
    """One bar, of parts (name, value, CSS class) of a total, at least a pixel each; low, for a row of a table."""
    out, at = [_rect("track", 0, 0, WIDTH, 10)], 0.0
    for name, value, css in parts:
        if value:
            width = max(WIDTH * value / total, 1.0) if total else 0.0
            out.append(_rect(f"bar {css}", at, 0, min(width, WIDTH - at), 10, f"{name}: {value:,.0f}"))
            at = min(at + width, WIDTH - 1)
    return _svg(out, label, height=10, stretch=True)


@dataclass(frozen=True)
class Dot:
    """A point of a map: where, the CSS class, its shape, and what it is called."""

    x: float
    y: float
    css: str
    shape: str  # circle | square | cross
    name: str


def scatter(dots: Sequence[Dot], label: str) -> Markup:
    """A map of points, in a square of equal scales."""
    size, edge = 360, 14
    spots = np.array([(d.x, d.y) for d in dots]) if dots else np.zeros((1, 2))
    middle, reach = (spots.min(0) + spots.max(0)) / 2, max(float(np.ptp(spots, axis=0).max()), 1e-9) / 2
    place = (spots - middle) / reach * (size / 2 - edge) + size / 2
    out = [_rect("track", 0, 0, size, size)]
    for dot, (px, py) in zip(dots, place if dots else (), strict=True):
        out.append(_mark(dot, float(px), float(py)))
    return _svg(out, label, height=size)


def _mark(dot: Dot, x: float, y: float) -> str:
    title = f"<title>{_escaped(dot.name)}</title>"
    if dot.shape == "circle":
        return f'<circle class="dot {dot.css}" cx="{x:.1f}" cy="{y:.1f}" r="4">{title}</circle>'
    if dot.shape == "square":
        return f'<rect class="dot {dot.css}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8">{title}</rect>'
    d = f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"
    return f'<path class="cross {dot.css}" d="{d}">{title}</path>'


class _scale:
    """A linear map of [low, high] to [start, stop], clipped."""

    def __init__(self, low: float, high: float, start: float, stop: float) -> None:
        self.low, self.span, self.start, self.stop = low, (high - low) or 1.0, start, stop

    def __call__(self, value: float) -> float:
        share = min(max((value - self.low) / self.span, 0.0), 1.0)
        return float(self.start + share * (self.stop - self.start))


def _ticks(low: float, high: float, x: _scale, percent: bool) -> list[str]:
    step = nice_step(high - low, 5)
    places = [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    out = []
    for place in places:
        at = x(place)
        anchor = "start" if at < _LEFT + 12 else "end" if at > WIDTH - _RIGHT - 12 else "middle"
        out.append(_line("axis", at, HEIGHT - _BOTTOM, at, HEIGHT - _BOTTOM + 4))
        out.append(_text("soft", at, HEIGHT - 6, _number(place, percent), anchor))
    return out


def _gates(gates: Sequence[Gate], x: _scale) -> list[str]:
    """Lines, their labels beside them on the side that has room."""
    out = []
    for gate in gates:
        at = x(gate.at)
        right = at < WIDTH / 2
        out.append(_line("gate", at, _TOP - 10, at, HEIGHT - _BOTTOM))
        out.append(_text("gate-label", at + (4 if right else -4), _TOP - 4, gate.label, "start" if right else "end"))
    return out


def _steps(css: str, edges: np.ndarray, counts: np.ndarray, x: _scale, y: _scale) -> str:
    d = [f"M{x(edges[0]):.1f} {y(0):.1f}"]
    for i, count in enumerate(counts):
        d.append(f"V{y(count):.1f}H{x(edges[i + 1]):.1f}")
    return f'<path class="steps {css}" d="{"".join(d)}V{y(0):.1f}"/>'


def _number(value: float, percent: bool) -> str:
    if percent:
        return f"{100 * value:.3g}%"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _rect(css: str, x: float, y: float, width: float, height: float, title: str = "") -> str:
    inner = f"<title>{_escaped(title)}</title>" if title else ""
    return f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">{inner}</rect>'


def _line(css: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(css: str, x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    from markupsafe import escape

    return str(escape(text))


def _svg(parts: Sequence[str], label: str, height: float = HEIGHT, stretch: bool = False) -> Markup:
    from markupsafe import Markup

    fit = ' preserveAspectRatio="none"' if stretch else ""
    head = f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{_escaped(label)}"{fit}>'
    return Markup(f"{head}{''.join(parts)}</svg>")
