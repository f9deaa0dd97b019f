"""The split of a dialogue, from the text that its user says and from nothing else.

It is drawn before the voices (`voices.casting`), so two dialogues with the same words are never in two splits.
"""

from __future__ import annotations

import unicodedata

from kespeechchat.config.dataset import SplitSettings
from kespeechchat.records import Split
from kespeechchat.seeds import stable_uniform


def text_key(text: str) -> str:
    """The letters and digits of a text, compatibility-folded and lower case: what two equal texts share.

    Frozen: a change would move dialogues between splits. It is not the normalization of the error rates.
    """
    if text.isascii():  # the same, in a tenth of the time
        return text.lower().encode().translate(None, _ASCII_SIGNS).decode()
    return unicodedata.normalize("NFKC", text).casefold().translate(_LETTERS_AND_DIGITS)


class _Kept(dict[int, int | None]):
    """Code point → itself, if it is a letter or digit, else nothing; filled as they come."""

    def __missing__(self, point: int) -> int | None:
        self[point] = point if unicodedata.category(chr(point))[0] in "LN" else None
        return self[point]


_LETTERS_AND_DIGITS = _Kept()
_ASCII_SIGNS = bytes(c for c in range(128) if not chr(c).isalnum())


def dialogue_split(text: str, settings: SplitSettings, seed: int) -> Split:
    """The split of a dialogue whose user says `text`. Equal texts fall alike, whatever else differs."""
    draw = stable_uniform(seed, "dialogue-split", text_key(text)) * settings.of
    if draw < settings.dev:
        return "dev"
    return "test" if draw < settings.dev + settings.test else "train"
