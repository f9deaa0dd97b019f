"""How alike two short texts are, in units that fit the language: pairs of characters (zh), stems of words (en)."""

from __future__ import annotations

import re
from collections import Counter

from kespeechchat.records import Language

_ZH_LIGHT = re.compile(r"[的了着过呢吗吧啊呀哦嘛地得就也都还很是会请我你您它他她们这那个]")
_EN_LIGHT = frozenset(
    re.findall(
        r"\S+",
        "a an the and or but so of to in on at by for from with as is are was were be been being am it its it's this "
        "that these those there here i you he she we they me him her us them my your his our their do does did can "
        "could will would shall should may might must have has had if then than very just also too about into over "
        "please well oh really which who what when where why how i'm you're that's let's one some any all more most",
    )
)
_SUFFIX = re.compile(r"(?:ing|edly|ed|ies|es|ly|s|e|y|'s)$")


def units(text: str, language: Language, *, content: bool = False) -> Counter[str]:
    """The text's units with their counts; `content` leaves function words and particles out."""
    if language == "zh":
        bare = re.sub(r"[\W_]", "", text.lower())
        bare = _ZH_LIGHT.sub("", bare) if content else bare
        return Counter([bare] if len(bare) == 1 else [bare[i : i + 2] for i in range(len(bare) - 1)])
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+", text.lower())
    if content:
        words = [_stem(w) for w in words if w.replace("’", "'") not in _EN_LIGHT]
    return Counter(words)


def _stem(word: str) -> str:
    return _SUFFIX.sub("", word) if len(word) > 3 else word


def overlap(a: str, b: str, language: Language, *, content: bool = False) -> tuple[float, float]:
    """(share of a's units that b has, share of b's units that a has); 0 for a text without units."""
    of_a, of_b = units(a, language, content=content), units(b, language, content=content)
    common = sum((of_a & of_b).values())
    return common / max(1, of_a.total()), common / max(1, of_b.total())


def similarity(a: str, b: str, language: Language) -> float:
    """Dice coefficient of the two texts' units, 0 to 1.

    >>> similarity("Why is the sky blue?", "why is the sky blue", "en")
    1.0
    """
    of_a, of_b = units(a, language), units(b, language)
    return 2 * sum((of_a & of_b).values()) / max(1, of_a.total() + of_b.total())


def restates(answer: str, question: str, language: Language) -> bool:
    """Whether the answer is a piece of the question, half of it or more: "ten litres at two euros each" says nothing
    to who asked what ten litres at two euros each cost. A short piece is a choice: "cats", asked for cats or dogs.
    """
    joint = "" if language == "zh" else " "
    said, asked = (joint.join(re.findall(r"[^\W_]+", text.lower())) for text in (answer, question))
    return f"{joint}{said}{joint}" in f"{joint}{asked}{joint}" and 2 * len(said) >= len(asked)
