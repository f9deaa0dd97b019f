"""Pieces of patterns that several kinds share, and small helpers around them."""

from __future__ import annotations

import re

from kespeechchat.text.readings.forms import Match, after
from kespeechchat.text.readings.tables_en import MONTHS

WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
NUMBER = rf"(?:{WHOLE}(?:\.[0-9]+)?|\.[0-9]+)"
DASH = r"(?:\s?[-–—~]\s?| to )"
START = r"(?<![\w.,/:$€£\-–])(?<![\w.,/:]-)"  # no digit, letter or sign that belongs to the number stands before
END = r"(?![\w/])(?![.,:\-–][0-9])"  # … nor behind
MONTH = r"\b(?P<month>" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\b\.?"
_MANY = re.compile(
    r"\s+(?:(?:[a-z]+(?:ed|ing|ful|ous|al|ive|ic|ary|ent|ant|er|est)|new|old|young|big|small|more|other|different|good|"
    r"bad|long|short|little|white|black|red|US|American)\s+){0,2}"
    r"(?:people|men|women|children|feet|teeth|mice|sheep|fish|police|percent|times|of\b|(?!(?:is|was|has|as|this|its|"
    r"his|us|does|goes|says|becomes|makes|plus|versus|thus|yes|always|perhaps|sometimes|across|towards|besides|means|"
    r"series|news)\b)[a-z]{2,}(?<![siu])s\b)"
)
SCREEN = re.compile(r"video|screen|TV|resolution|monitor", re.I)

# What a sentence with two numbers is about.
SCORES = re.compile(
    r"\b(?:score[ds]?|won|wins?|beat|lost|lose|defeat\w*|lead|led|draw|drew|tied?|victory|"
    r"goals?|finals?|set|sets|halftime)\b",
    re.I,
)
RATIOS = re.compile(r"\b(?:ratio|scale|odds|proportions?|aspect|mix\w*|dilut\w*|parts?|exchange rate)\b", re.I)


def counts(match: Match) -> bool:
    """Whether a word in the plural follows: what is counted."""
    return after(match, _MANY)
