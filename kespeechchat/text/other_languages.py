"""Is a text in a language other than Chinese and English? Asked of lingua, which brings its models in its package.

Planning tells languages by their script alone, which is quick: German passes for English there, and Japanese for
Chinese. Here a text is called foreign only where lingua is sure of it. Short English says little ("Name a bird." is
English to 17 %), so the other language must be several times as likely.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from kespeechchat.records import Language

if TYPE_CHECKING:
    from lingua import LanguageDetector

_LATIN = (
    "ENGLISH GERMAN FRENCH SPANISH ITALIAN PORTUGUESE DUTCH TAGALOG INDONESIAN VIETNAMESE POLISH TURKISH SWEDISH "
    "DANISH FINNISH CZECH ROMANIAN HUNGARIAN"
)
_OTHERS = "CHINESE JAPANESE KOREAN RUSSIAN UKRAINIAN ARABIC PERSIAN HINDI THAI GREEK HEBREW BENGALI TAMIL"
_TIMES = 3.0  # so many times as likely as English the other language must be
_LEAST = 0.3  # probability of the other language
_WORDS = 3  # fewer words of Latin letters tell nothing
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|「[^」]*」|『[^』]*』|《[^》]*》|(?<!\w)['‘][^'’]*['’](?!\w)")
_LATIN_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# words of English that are none of a language above; one of eight words makes a text English ("What is crème brûlée?"),
# and spares the loading of lingua's models: 6 s of CPU and 500 MiB in each worker
_ENGLISH = set(
    [
        "the",
        "and",
        "what",
        "how",
        "who",
        "why",
        "which",
        "with",
        "this",
        "that",
        "are",
        "does",
        "do",
        "your",
        "you",
        "about",
        "from",
        "between",
        "into",
        "of",
        "it",
        "they",
        "their",
        "them",
        "would",
        "could",
        "should",
        "might",
        "have",
        "been",
        "being",
        "because",
        "there",
        "where",
        "when",
        "these",
        "those",
        "than",
        "while",
        "through",
        "during",
        "without",
        "more",
        "most",
        "many",
        "much",
        "some",
        "any",
        "each",
        "every",
        "other",
        "another",
        "only",
        "also",
        "very",
        "just",
        "make",
        "makes",
        "made",
        "give",
        "gives",
        "write",
        "find",
        "explain",
        "describe",
        "following",
        "people",
        "number",
        "high",
        "far",
        "away",
        "good",
        "best",
        "better",
        "way",
        "ways",
        "think",
        "know",
        "should",
        "need",
        "help",
        "use",
        "used",
        "using",
        "its",
        "our",
        "his",
        "she",
        "we'll",
        "don't",
        "doesn't",
        "isn't",
        "can't",
        "it's",
        "what's",
        "i'm",
    ]
)
_HAN_ALONE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\W\d_]*")
_LATIN_LETTER = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")


def other_language(text: str, language: Language) -> str | None:
    """The English name of the language that `text` is in, where that is surely neither Chinese nor English.

    `language`: what its script says. Quoted parts do not count, nor do Latin words in Chinese. Raises ImportError where
    lingua is not installed.

    >>> other_language("Warum ist der Himmel blau?", "en"), other_language("Name a bird.", "en")
    ('German', None)
    >>> other_language("空はなぜ青いのですか？", "zh"), other_language("我想学 Python", "zh")
    ('Japanese', None)
    """
    bare = _QUOTED.sub(" ", text)
    letters = [c for c in bare if c.isalpha()]
    latin = sum(bool(_LATIN_LETTER.match(c)) for c in letters)
    if language == "zh" or 2 * latin < len(letters):
        text = _LATIN_LETTER.sub("", bare)
        return None if _HAN_ALONE.fullmatch(text) else _by_script(text)
    return _of_words(_LATIN_WORD.findall(bare))


def _by_script(text: str) -> str | None:
    found = _detector().detect_language_of(text)
    return found.name.title() if found and found.name not in ("CHINESE", "ENGLISH") else None


def _of_words(words: list[str]) -> str | None:
    if len(words) < _WORDS or 8 * sum(word.lower() in _ENGLISH for word in words) >= len(words):
        return None
    first, sure = _most_likely(words)
    plain = [word for word in words if word.isascii()]
    accented = len(words) - len(plain)
    if accented and len(plain) >= _WORDS:  # a name or a dish with an accent must not decide alone
        sure = sure and _most_likely(plain)[0] != "English"
    elif accented == 1:
        return None
    return first if sure else None


def _most_likely(words: list[str]) -> tuple[str, bool]:
    """The most likely language, and whether English is out of question."""
    values = _detector().compute_language_confidence_values(" ".join(words))
    english = next((value.value for value in values if value.language.name == "ENGLISH"), 0.0)
    name, likely = values[0].language.name, values[0].value
    return name.title(), name != "ENGLISH" and likely >= max(_LEAST, _TIMES * english)


@cache
def _detector() -> LanguageDetector:
    from lingua import Language as Known
    from lingua import LanguageDetectorBuilder

    known = [getattr(Known, name) for name in f"{_LATIN} {_OTHERS}".split()]
    return LanguageDetectorBuilder.from_languages(*known).build()
