"""In which manner a turn is spoken: drawn by hash of its dialogue and its name, so alike in any batch and any round.

The manners that fit a turn are asked in the profile's order, each for its share, with one number for all of them. So a
manner that is added behind the others changes no turn that has one already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from kespeechchat.config.manner import Ending, Manner
from kespeechchat.records import Language, Role
from kespeechchat.rows import TurnManner
from kespeechchat.seeds import stable_uniform

_DIGITS = 3  # of a speed that was drawn
_MARKS = re.compile(r"[?？!！。.…~～]*$")
_BEHIND = " \t\n\"'“”‘’「」『』)）]】"  # what may stand behind the last mark


@dataclass(frozen=True)
class TurnText:
    """What a turn says: the turn `name` (`user`, `agent2`) of a dialogue, by whom, and its text."""

    dialogue: str
    name: str
    role: Role
    language: Language
    text: str


def manner_of(manners: Sequence[Manner], seed: int, turn: TurnText) -> TurnManner | None:
    """What is drawn for a turn; None: it is spoken plainly. `seed`: the build's."""
    if not manners:
        return None
    drawn = stable_uniform(seed, "manner", turn.dialogue, turn.name)
    for manner in manners:
        if not fits(manner, turn):
            continue
        if drawn < manner.share:
            return {
                "name": manner.name,
                "speed": _speed(manner, seed, turn),
                "instruct": manner.instruct[turn.language] if manner.instruct else None,
            }
        drawn -= manner.share
    return None


def fits(manner: Manner, turn: TurnText) -> bool:
    """Whether the manner is for such a turn."""
    if manner.role not in ("both", turn.role) or turn.language not in manner.languages:
        return False
    if ending(turn.text) not in manner.ends:
        return False
    return manner.words is None or bool(_any_of(manner.words[turn.language], turn.language).search(turn.text))


def ending(text: str) -> Ending:
    """By the marks at the end of the text; a question mark counts before an exclamation mark.

    >>> ending("Is it?"), ending("“Stop!”"), ending("真的吗？！"), ending("Yes.")
    ('question', 'exclamation', 'question', 'statement')
    """
    found = _MARKS.search(text.rstrip(_BEHIND))
    marks = found.group() if found else ""
    if "?" in marks or "？" in marks:
        return "question"
    return "exclamation" if "!" in marks or "！" in marks else "statement"


def _speed(manner: Manner, seed: int, turn: TurnText) -> float | None:
    if manner.speed is None:
        return None
    low, high = manner.speed
    drawn = low + stable_uniform(seed, "manner speed", turn.dialogue, turn.name) * (high - low)
    return min(max(round(drawn, _DIGITS), low), high)


@lru_cache(maxsize=256)
def _any_of(words: tuple[str, ...], language: Language) -> re.Pattern[str]:
    """Finds one of the words: in English whole words without regard to case, in Chinese anywhere."""
    edge = r"(?<!\w)(?:{})(?!\w)" if language == "en" else "{}"
    return re.compile(edge.format("|".join(map(re.escape, words))), re.IGNORECASE)
