"""A written form, the rules that find one, and how rules share a text.

A rule owns one kind of writing: a pattern, and a function that gives the words for a match. The function looks at what
stands around the match and answers in one of three ways:

* words: the form is of this kind and is read so;
* None: it is not of this kind, so later rules may have it;
* `InDoubt` raised: it is of this kind or of another, and the sentence does not say which.

Rules are asked in order. What one rule has taken is hidden from the next ones, so an order from the special to the
general is all that a language has to give. A number that no rule takes is in doubt too: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal[
    "abbreviation", "address", "arithmetic", "clock", "code", "count", "date", "decade", "era", "fraction", "idiom",
    "latin", "money", "ordinal", "percent", "quotation", "range", "ratio", "roman", "score", "sign", "telephone",
    "traditional", "unit", "unknown", "version", "year",
]  # fmt: skip
Match = re.Match[str]

HIDDEN = "\ue000"  # private use: stands where a rule has taken a form, one for each of its characters
_NUMBER = re.compile(r"[0-9](?:[0-9.,:/\-]*[0-9])?")
_DIGIT = re.compile(r"[0-9]")


class InDoubt(Exception):
    """The sentence does not say how a form is read."""


class Rule(NamedTuple):
    """`digits`: the pattern needs a digit, so a text without one is not searched."""

    kind: Kind
    pattern: re.Pattern[str]
    read: Callable[[Match], str | None]
    digits: bool = True


@dataclass(frozen=True)
class Form:
    """A written form at `start` to `end` of a text and the words for it, None where its reading is in doubt."""

    start: int
    end: int
    written: str
    kind: Kind
    words: str | None


def find(text: str, rules: Sequence[Rule]) -> list[Form]:
    """The written forms of `text` in their order; they do not overlap."""
    forms: list[Form] = []
    has_digits = bool(_DIGIT.search(text))
    for rule in rules:
        if has_digits or not rule.digits:
            found = [form for m in rule.pattern.finditer(text) if (form := _form(rule, m))]
            text = _hidden(text, found)
            forms += found
    forms += [Form(m.start(), m.end(), m[0], "unknown", None) for m in _NUMBER.finditer(text)]
    return sorted(forms, key=lambda form: form.start)


def _form(rule: Rule, match: Match) -> Form | None:
    try:
        words = rule.read(match)
    except InDoubt:
        return Form(match.start(), match.end(), match[0], rule.kind, None)
    return None if words is None else Form(match.start(), match.end(), match[0], rule.kind, words)


def _hidden(text: str, forms: Sequence[Form]) -> str:
    for form in forms:
        text = text[: form.start] + HIDDEN * (form.end - form.start) + text[form.end :]
    return text


def before(match: Match, pattern: re.Pattern[str], reach: int = 40) -> bool:
    """Whether `pattern` occurs in the `reach` characters before the match."""
    return bool(pattern.search(match.string[max(0, match.start() - reach) : match.start()]))


def after(match: Match, pattern: re.Pattern[str]) -> bool:
    """Whether `pattern` matches right behind the match."""
    return bool(pattern.match(match.string, match.end()))


def around(match: Match, pattern: re.Pattern[str], reach: int = 40) -> bool:
    """Whether `pattern` occurs near the match, before it or behind it, in the same sentence or its neighbour."""
    return before(match, pattern, reach) or bool(pattern.search(match.string[match.end() : match.end() + reach]))
