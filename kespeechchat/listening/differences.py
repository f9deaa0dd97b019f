"""Where a transcript departs from the text that was to be said, for the eye: words (en) or characters (zh), aligned.

The alignment sets aside what the error rate sets aside too: case, punctuation, the Chinese script, and in syllables
(SER) the character of a sound. A written form that is read in another way (9 AM, nine o'clock) is one difference here
even where the error rate counts none; so a turn without an error has no difference at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from kespeechchat.records import Language
from kespeechchat.text.error_rate import syllables
from kespeechchat.text.han import simplified
from kespeechchat.text.normalize import normalize

Kind = Literal["same", "missing", "added", "other"]  # other: something else was heard in its place
_WORDS = re.compile(r"\S+\s*|\s+")
_CHARACTERS = re.compile(r"[A-Za-z0-9']+\s*|.\s*", re.DOTALL)
_END = re.compile(r"[\W_]+$")  # white space and punctuation
_HAN = re.compile(r"[\u3400-\u9fff]+")


@dataclass(frozen=True)
class Piece:
    """Part of a text, as it was written and as it was heard; `missing` has no `heard`, `added` no `written`."""

    kind: Kind
    written: str
    heard: str


def differences(
    written: str, heard: str, language: Language, metric: str | None = None, error_rate: float | None = None
) -> list[Piece]:
    """The two texts, aligned: all `written` joined is the text, all `heard` joined the transcript.

    `metric`: CER, WER or SER, as stage `gate` names it. `error_rate`: of this turn; at 0 nothing is marked.

    >>> [(p.kind, p.written, p.heard) for p in differences("The sea is salt", "the see is", "en")]
    [('same', 'The ', 'the '), ('other', 'sea', 'see'), ('same', ' is ', ' is'), ('missing', 'salt', '')]
    """
    from rapidfuzz.distance import Levenshtein

    if error_rate == 0:
        return [Piece("same", written, heard)]
    ours, theirs = (_tokens(text, language, metric) for text in (written, heard))
    steps = Levenshtein.opcodes([key for _, key in ours], [key for _, key in theirs])
    kinds: dict[str, Kind] = {"equal": "same", "replace": "other", "delete": "missing", "insert": "added"}
    found: list[Piece] = []
    for step in steps:
        a, b = ours[step.src_start : step.src_end], theirs[step.dest_start : step.dest_end]
        _add(found, kinds[step.tag], "".join(t for t, _ in a), "".join(t for t, _ in b))
    return found


def _add(found: list[Piece], kind: Kind, written: str, heard: str) -> None:
    """Appends a piece, joined to one of its kind before it; the signs at a difference's end are none themselves."""
    if kind != "same":
        ends = [_END.search(text) for text in (written, heard)]
        tails = [end[0] if end and end.start() else "" for end in ends]
        if any(tails):
            _add(found, kind, *(t[: len(t) - len(tail)] for t, tail in zip((written, heard), tails, strict=True)))
            _add(found, "same", *tails)
            return
    if found and found[-1].kind == kind:
        last = found.pop()
        written, heard = last.written + written, last.heard + heard
    found.append(Piece(kind, written, heard))


def _tokens(text: str, language: Language, metric: str | None) -> list[tuple[str, str]]:
    """(as it is written, by what it is compared); what is never spoken belongs to the token before it."""
    parts = [m[0] for m in (_WORDS if language == "en" else _CHARACTERS).finditer(text)]
    keys = [_word(p.strip()) for p in parts] if language == "en" else _character_keys(parts, text, metric)
    found: list[tuple[str, str]] = []
    for part, key in zip(parts, keys, strict=True):
        if not key and found:
            part, key = found[-1][0] + part, found[-1][1]
            found.pop()
        found.append((part, key))
    return found


@lru_cache(maxsize=4096)
def _word(word: str) -> str:
    return normalize(word, "en")


def _character_keys(parts: Sequence[str], text: str, metric: str | None) -> list[str]:
    plain = simplified(text)
    if len(plain) != len(text):  # the script has a phrase of another length: character by character then
        plain = "".join(simplified(c)[:1] or c for c in text)
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part))
    sounds = _sounds(plain) if metric == "SER" else {}
    keys = []
    for start, stop in pairwise(starts):
        own = plain[start:stop].strip().lower()
        keys.append(sounds.get(start) or "".join(c for c in own if c.isalnum()))
    return keys


def _sounds(text: str) -> dict[int, str]:
    """Place of a Chinese character → its syllable in context; a run that is read in other characters has none."""
    found: dict[int, str] = {}
    for run in _HAN.finditer(text):
        units = syllables(run[0])
        if len(units) == len(run[0]):
            found |= {run.start() + i: unit for i, unit in enumerate(units)}
    return found
