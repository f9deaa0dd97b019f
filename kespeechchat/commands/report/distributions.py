"""How the dialogues are distributed, a chart a quantity and language, with the limits of the profile drawn in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kespeechchat.commands.report.drawing import Chart, Gate, Series, histogram
from kespeechchat.commands.report.survey import Survey
from kespeechchat.config.base import pick
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.listening.page import score_name
from kespeechchat.records import LANGUAGES, Language
from kespeechchat.voices.privacy import OWN_VOICE

_UNITS = {"zh": "characters", "en": "words"}
_METRICS = {"character": "CER", "word": "WER", "syllable": "SER"}
_FIRST = ("dnsmos_ovrl", "distillmos", "utmos", OWN_VOICE)  # scores in the order in which they are drawn


@dataclass(frozen=True)
class Quantity:
    """Something that is drawn: its key in `Survey.values`, title by language, gates by language, unit for captions."""

    key: str
    title: Callable[[Language], str]
    gates: Callable[[Language], list[Gate]]
    percent: bool = False
    whole: bool = False
    digits: int = 2


@dataclass(frozen=True)
class Row:
    """One quantity's charts, a chart a language."""

    charts: tuple[Chart, ...]


def quantities(pipeline: Pipeline, heads: Sequence[str]) -> list[Quantity]:
    """All that is drawn, in order; `heads`: the scores that were measured."""
    gate, speak = pipeline.stages.gate, pipeline.stages.synthesize

    def error_gate(language: Language) -> list[Gate]:
        limit = pick(gate.max_error, language)
        return [] if limit is None else [Gate(limit, f"gate {100 * limit:.3g}%")]

    def pace_gate(language: Language) -> list[Gate]:
        low, high = pick(speak.seconds_per_character, language)
        return [Gate(low, f"{low:g}"), Gate(high, f"{high:g}")]

    def silence_gate(language: Language) -> list[Gate]:
        limits = [v for s in (gate.max_silence, speak.max_silence) for v in vars(s).values() if v is not None]
        return [Gate(max(limits), f"gate {max(limits):g} s")] if limits else []

    def score_gate(head: str) -> Callable[[Language], list[Gate]]:
        limit = gate.min_own_voice if head == OWN_VOICE else gate.min_mos.get(head)
        return lambda language: [] if limit is None else [Gate(limit, f"gate {limit:g}")]

    def none(language: Language) -> list[Gate]:
        return []

    found = [
        Quantity("error_rate", lambda n: f"{_METRICS[pick(gate.unit, n)]} of a dialogue", error_gate, percent=True),
        *(Quantity(f"score:{h}", lambda n, h=h: _score(h), score_gate(h)) for h in _ordered(heads)),  # type: ignore[misc]
        Quantity("seconds", lambda n: "Seconds of a dialogue", none, digits=1),
        Quantity("length:user", lambda n: f"{_UNITS[n].capitalize()} of a question", none, whole=True, digits=0),
        Quantity("length:agent", lambda n: f"{_UNITS[n].capitalize()} of an answer", none, whole=True, digits=0),
        Quantity("pace", lambda n: "Seconds per character of a turn", pace_gate, digits=3),
        Quantity("silence", lambda n: "Longest silence of a turn, seconds", silence_gate),
        Quantity("turns", lambda n: "Turns of a dialogue", none, whole=True, digits=0),
    ]
    return found


def rows(pipeline: Pipeline, seen: Survey, other: Survey | None = None) -> tuple[list[Row], list[str]]:
    """The charts, and a sentence on each quantity that is one number. `other`: another build, drawn as a line."""
    found, told = [], []
    for quantity in quantities(pipeline, sorted(seen.heads)):
        if (same := _one_value(quantity, seen, other)) is not None:
            told.append(f"{quantity.title('en')}: {same:g}, of all.")
            continue
        charts = [chart for lang in LANGUAGES if (chart := _chart(quantity, lang, seen, other))]
        if charts:
            found.append(Row(tuple(charts)))
    return found, told


def _chart(quantity: Quantity, language: Language, seen: Survey, other: Survey | None) -> Chart | None:
    kept, left = (seen.of(quantity.key, language, fate) for fate in (True, False))
    series = [Series("kept", language, kept), Series("rejected", "left", left)]
    if other is not None:
        series = [Series("here", language, kept)]
        series.append(Series("there", "against", other.of(quantity.key, language, True), line=True))
    if not any(len(one.values) for one in series):
        return None
    title = f"{quantity.title(language)}, {language}"
    caption = "; ".join(_caption(quantity, one) for one in series if len(one.values))
    gates = quantity.gates(language)
    svg = histogram(series, f"{title}. {caption}", gates, quantity.percent, quantity.whole)
    return Chart(title, svg, caption, tuple(series))


def _caption(quantity: Quantity, series: Series) -> str:
    low, middle, high = np.quantile(series.values, (0.1, 0.5, 0.9))
    form = ".1%" if quantity.percent else f".{quantity.digits}f"
    return f"{series.name}: {len(series.values):,}, median {middle:{form}}, 10–90 % {low:{form}} to {high:{form}}"


def _one_value(quantity: Quantity, seen: Survey, other: Survey | None) -> float | None:
    """The value of a quantity that has one alone, wherever it was measured: nothing to draw."""
    if quantity.key != "turns":
        return None
    every = [s.of(quantity.key, lang, fate) for s in (seen, other) if s for lang in LANGUAGES for fate in (True, False)]
    values = np.unique(np.concatenate(every))
    return float(values[0]) if len(values) == 1 else None


def _ordered(heads: Sequence[str]) -> list[str]:
    """The scores that a listener asks for first; a predictor's other heads behind them are left out."""
    return [head for head in _FIRST if head in heads] or list(heads)[:2]


def _score(head: str) -> str:
    return "Cosine of a turn to its own voice" if head == OWN_VOICE else f"{score_name(head)} of a turn"
