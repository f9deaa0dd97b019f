"""English rules, from the special to the general (see `readings.forms`)."""

from __future__ import annotations

from kespeechchat.text.readings.en import counts, measures, names, relations, times
from kespeechchat.text.readings.forms import Rule

RULES: tuple[Rule, ...] = (
    *names.SPECIAL,
    *times.RULES,
    *measures.RULES,
    *names.RULES,
    *relations.RULES,
    *counts.RULES,
    *names.SIGNS,
)
