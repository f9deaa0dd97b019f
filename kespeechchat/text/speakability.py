"""Can a voice say it? Rules for text that goes to a speech synthesizer.

`problems` lists all that no voice can say, by code; `speakable` gives the first of them or None. Call
`readings.spoken_text` first: it puts numbers, dates, units and signs into words. A number that is left then is one
whose reading the sentence does not decide: `ambiguous_number`.
"""

from __future__ import annotations

import re

from kespeechchat.records import Language
from kespeechchat.text.readings import read

_CJK = "\u3400-\u4dbf\u4e00-\u9fff"
_LATIN = "A-Za-zÀ-ÖØ-öø-ÿ"
_SPELLED = frozenset(re.findall(r"\w+", "LASER RADAR SCUBA ASAP AIDS COVID NASA NATO WIFI"))  # read out as words

# In the order in which they are reported: the most telling first.
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("line_break", re.compile(r"[\r\n\v\f\u0085\u2028\u2029]")),
    ("url", re.compile(r"https?:|www\.|\b[\w-]+\.(?:com|org|net|cn|io|edu|gov|html?|py|js|txt|csv)\b", re.I)),
    ("email", re.compile(r"[\w.+-]+@[\w-]+\.\w+")),
    ("handle", re.compile(r"[@#＠＃]\w")),
    ("markdown", re.compile(r"\*|`|~~|^\s*(?:[-+•·]\s|#+\s|>|\|)|\|")),
    ("bracket", re.compile(r"[()\[\]{}<>（）【】〔〕〈〉｛｝［］]")),
    ("underscore", re.compile(r"_")),
    ("emoji", re.compile(r"[\U0001f000-\U0001faff\u2190-\u21ff\u2300-\u23ff\u2460-\u27bf\u2b00-\u2bff\ufe0f\u200d]")),
    ("digit", re.compile(r"[0-9０-９²³¹⁰-₉½¼¾]")),
    ("symbol", re.compile(r"[=+^~\\/$€£¥￥%％°§©®™×÷±≤≥≠≈∞√∑∫π∈∪∩→←&|@#※★☆●■◆]")),
    ("dotted", re.compile(r"\b(?:[A-Za-z]\.){2,}|\b(?:e\.g|i\.e|etc|vs|approx|No|Fig)\.", re.I)),
)
_ALLOWED = {
    "zh": re.compile(rf"[{_CJK}A-Za-z \-，。？！、；：“”‘’《》…—,.?!;:'\"·]"),
    "en": re.compile(rf"[{_LATIN} \-,.?!;:'\"‘’“”—–…]"),
}
_ACRONYM = re.compile(r"(?<![A-Za-z])[A-Z]{2,}s?(?![A-Za-z])")
_NO_VOWEL = re.compile(r"(?<![A-Za-z'’])[b-df-hj-np-tv-xz]{3,}(?![A-Za-z'’])", re.I)
_NO_VOWEL_WORDS = frozenset(["hmm", "shh", "pfft", "psst", "brr", "tsk", "nth", "mmm"])
_MIXED_CASE = re.compile(r"\b[a-z]+[A-Z]\w*|\b[A-Z][a-z]+[A-Z]\w*")
_MIXED_NAMES = re.compile(r"\b(?:Mc|Mac|De|La|Le)[A-Z][a-z]+\b|\b(?:iPhone|iPad|YouTube|WeChat|PowerPoint)\b")
_WORDY = {"zh": re.compile(rf"[{_CJK}]"), "en": re.compile(rf"[{_LATIN}]")}


def problems(text: str, language: Language) -> list[str]:
    """Codes of all that a voice could not say in `text`, each once; empty where the text can be spoken.

    >>> problems("Open my_file (now)", "en")
    ['bracket', 'underscore']
    """
    found = [code for code, pattern in _RULES if pattern.search(text)]
    if "digit" in found and _doubtful_number(text, language):
        found.insert(found.index("digit"), "ambiguous_number")
    if not _WORDY[language].search(text):
        found.append("no_words")
    if _foreign(text, language):
        found.append("script")
    if _abbreviated(text):
        found.append("abbreviation")
    if _MIXED_CASE.search(_MIXED_NAMES.sub("", text)):
        found.append("identifier")
    return found


def _doubtful_number(text: str, language: Language) -> bool:
    return any(re.search("[0-9]", form.written) for form in read(text, language).doubtful)


def speakable(text: str, language: Language) -> str | None:
    """The first problem's code, or None where a voice can say `text`."""
    return next(iter(problems(text, language)), None)


def _foreign(text: str, language: Language) -> bool:
    """A character that no rule above has named and the language does not use; in Chinese, too many Latin words."""
    rest = text
    for _, pattern in _RULES:
        rest = pattern.sub("", rest)
    if _ALLOWED[language].sub("", rest):
        return True
    return language == "zh" and len(re.findall(r"[A-Za-z]", text)) > 0.25 * max(1, len(text))


def _abbreviated(text: str) -> bool:
    """An acronym is spelled out letter by letter, which is bearable up to three; a word without vowels is not."""
    for match in _ACRONYM.finditer(text):
        bare = match.group().removesuffix("s")
        if len(bare) > 3 and bare not in _SPELLED:
            return True
    words = (m.group() for m in _NO_VOWEL.finditer(text))
    return any(w.lower() not in _NO_VOWEL_WORDS and not w.isupper() for w in words)
