"""Sentences of an answer, their length, and the first clauses of one that is too long."""

from __future__ import annotations

import re
from typing import Final

from kespeechchat.records import Language
from kespeechchat.text import checks
from kespeechchat.text.readings import spoken_text

_SENTENCES: Final = {
    "zh": re.compile(r"(?<=[。！？!?])|(?<=[；;])"),
    "en": re.compile(
        r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\bMr\.)(?<!\bDr\.)(?<!\bMs\.)(?<!\bSt\.)(?<!Mrs\.)(?<!e\.g\.)(?<!i\.e\.)\s+"
    ),
}
_FIGURE = re.compile(r"[0-9]")
STOP: Final = {"zh": "。", "en": "."}
ENDS: Final = "。！？.!?；;”\"'"
_LEANS: Final = {  # a clause that says more about the one before it, so that the one before can stand without it
    "zh": re.compile(
        r"^(?:并且|并|同时|例如|比如|包括|从而|以及|而且|而|但是|但|如|其中|这|它|也|还|通过|使|以便|以|导致|因此|所以|因为|此外|另外|"
        r"甚至|特别是|尤其是|用于|可以|能够|能|是|有|让|被|又|更|最|主要|从|在|与|对|为|直到|可|就)"
    ),
    "en": re.compile(
        r"^(?:which|and|but|so|because|while|where|who|whose|including|such as|like|or|as|with|making|"
        r"causing|allowing|leading|resulting|for example|especially|usually|often)\b",
        re.I,
    ),
}
_OPENS: Final = {  # a clause that another must follow
    "zh": re.compile(
        r"(?:^|[，、])(?:虽然|尽管|如果|要是|因为|由于|当|随着|为了|不仅|除了|既|一方面|无论|不管|即使|首先|根据|对于|在[^，]{1,14}[时后前中里上下方面]$)[^，]*$"
    ),
    "en": re.compile(
        r"(?:^|, )(?:although|though|if|because|since|when|while|as|in order to|to|by|not only|despite|"
        r"after|before|unlike|first|given|for)\b[^,]*$",
        re.I,
    ),
}
SHORTEST: Final = {"zh": 8, "en": 5}  # characters, words; a bare "Paris." is no spoken answer


def sentences(line: str, language: Language) -> list[str]:
    """The sentences of a line, each with a stop at its end."""
    parts = (part.strip() for part in _SENTENCES[language].split(line))
    return [ended(part, language) for part in parts if part]


def ended(sentence: str, language: Language) -> str:
    """With a stop at its end, whatever stood there."""
    bare = sentence.rstrip(" ,，、;；:：")
    return bare if bare.endswith(("。", "．", "！", "？", ".", "!", "?", "”", '"')) else bare + STOP[language]


def cut(sentence: str, language: Language, room: int) -> str | None:
    """The sentence's first clauses, where they say something whole and the rest only adds to it."""
    comma = "，" if language == "zh" else ","
    clauses = re.split(r"[，,](?!\d{3})", sentence)
    for n in range(len(clauses) - 1, 0, -1):
        head, rest = comma.join(clauses[:n]), clauses[n].strip()
        if length([head], language) > room or length([head], language) < 2 * SHORTEST[language]:
            continue
        if _LEANS[language].match(rest) and not _OPENS[language].search(head):
            return ended(head, language)
    return None


def length(said: list[str], language: Language) -> int:
    """Of sentences in a row, with their figures read out: characters (zh) or words (en)."""
    joined = (" " if language == "en" else "").join(said)
    return checks.length(spoken_text(joined, language) if _FIGURE.search(joined) else joined, language)
