"""Chinese rules, from the special to the general (see `readings.forms`)."""

from __future__ import annotations

from kespeechchat.text.readings.forms import Rule
from kespeechchat.text.readings.zh import counts, measures, names, relations, times
from kespeechchat.text.readings.zh.patterns import MEASURE

__all__ = ["MEASURE", "RULES"]

RULES: tuple[Rule, ...] = (
    *times.DATES,
    *names.SPECIAL,
    *times.RULES,
    *measures.RULES,
    *names.RULES,
    *relations.RULES,
    *counts.RULES,
    *relations.SIGNS,
)
