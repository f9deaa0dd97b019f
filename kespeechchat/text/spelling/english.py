"""English: a text → its segments, each with its readings in lower-case words."""

from __future__ import annotations

import re

from kespeechchat.text.spelling.english_forms import FORMS
from kespeechchat.text.spelling.english_words import one_wording, words
from kespeechchat.text.spelling.scanner import Readings, unique

_WRITTEN = re.compile(r"[0-9$£€¥%&+=@°×÷§#/]|\w\.\w")


def english(text: str) -> list[Readings]:
    """Segments of `text`, which is NFKC and holds no punctuation that is not ASCII.

    >>> english("the NASA web-site")
    [('the',), ('nasa', 'n a s a'), ('web site', 'website')]
    """
    out: list[Readings] = []
    run: list[str] = []
    shouted = text.isupper()
    for piece in FORMS.split(text) if _WRITTEN.search(text) else [text]:
        for segment in words(piece, shouted) if isinstance(piece, str) else [piece]:
            if len(segment) == 1:
                run.append(segment[0])
                continue
            out += _plain(run)
            out.append(unique([one_wording(reading) for reading in segment]))
            run = []
    return out + _plain(run)


def _plain(run: list[str]) -> list[Readings]:
    return [(one_wording(" ".join(run)),)] if run else []
