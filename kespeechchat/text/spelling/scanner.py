"""Splits a text into written forms, which rules read, and the plain text between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Readings = tuple[str, ...]
"""The ways to say one piece of a text, each as words; the first is the likeliest. "" says nothing."""

Reader = Callable[[re.Match[str]], Sequence[Readings] | None]


@dataclass(frozen=True)
class Rule:
    """`read` gives the segments that a match of `pattern` stands for, or None where the rule does not apply."""

    pattern: re.Pattern[str]
    read: Reader


class Scanner:
    """Rules in the order in which they are tried at each place of a text."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._any = re.compile("|".join(f"(?:{rule.pattern.pattern})" for rule in rules))

    def split(self, text: str) -> Iterator[str | Readings]:
        """The pieces of `text` in order: a str is plain text, a tuple the readings of a written form."""
        plain = at = 0
        while found := self._any.search(text, at):
            at = found.start()
            match, segments = self._read(text, at)
            if match is None:
                at += 1
                continue
            if plain < at:
                yield text[plain:at]
            yield from segments
            plain = at = match.end()
        if plain < len(text):
            yield text[plain:]

    def _read(self, text: str, at: int) -> tuple[re.Match[str] | None, Sequence[Readings]]:
        for rule in self._rules:
            match = rule.pattern.match(text, at)
            if match and match.end() > at and (segments := rule.read(match)) is not None:
                return match, segments
        return None, ()


def rule(pattern: str) -> Callable[[Reader], Rule]:
    """Makes a rule of the decorated reader. Patterns have numbered groups only, and their flags inside: `(?i:...)`."""

    def made(read: Reader) -> Rule:
        return Rule(re.compile(pattern), read)

    return made


def unique(readings: Sequence[str]) -> Readings:
    """`readings` without repetitions, in order."""
    return tuple(dict.fromkeys(readings))
