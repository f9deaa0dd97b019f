"""English rules, from the special to the general (see `readings.forms`)."""

from __future__ import annotations

from kespeechchat.text.readings.en import counts, measures, names, relations, times, words
from kespeechchat.text.readings.forms import Rule

RULES: tuple[Rule, ...] = (
    *words.SPECIAL,
    *names.SPECIAL,
    *times.RULES,
    *measures.RULES,
    *names.RULES,
    *words.RULES,
    *relations.RULES,
    *counts.RULES,
    *words.SIGNS,
)
