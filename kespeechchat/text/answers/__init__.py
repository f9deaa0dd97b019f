"""A source's own answer, made speakable by rule: sentences chosen, lists made sentences, numbers read, markup gone.

    from_source("There are three:\\n1. Red\\n2. Blue\\n3. Green", "en", longest=40)
    'There are three, such as red, blue, and green.'

Written answers run to paragraphs and lists; a spoken one gives their point in one breath or two, in the source's own
words. The rules choose and join, and never write: where they cannot say the answer within its length, or a voice could
not speak it, they give None, and a language model may be asked.
"""

from __future__ import annotations

import re
from typing import Final

from kespeechchat.records import Language
from kespeechchat.text import checks
from kespeechchat.text.answers.labels import whole_answer
from kespeechchat.text.answers.lists import Items, blocks, list_said, only_leads, without_mark
from kespeechchat.text.answers.sentences import SHORTEST, cut, length, sentences
from kespeechchat.text.readings import spoken_text
from kespeechchat.text.speakability import speakable

__all__ = ["from_source"]

_UNSPEAKABLE = re.compile(r"```|^\s*\||</?\w+>|https?:|\\(?:frac|sum|int|sqrt|begin)", re.M)
_MARKUP = re.compile(r"\*\*|__|~~|`|^\s*#{1,6}\s+|^\s*>\s+|(?<![\w*])\*(?=\w)|(?<=\w)\*(?![\w*])", re.M)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_ASIDE = re.compile(r"\s*(?:\([^()]*\)|（[^（）]*）|\[[^\[\]]*\]|【[^【】]*】)")
_LABEL: Final = {
    "zh": re.compile(
        r"^(?:正确)?(?:答案|回答(?:问题)?|答|解答|结论|解|类别|类型|分类|步骤[一二三四五六\d]+)(?:是|为)?\s*[:：]\s*"
    ),
    "en": re.compile(r"^(?:the )?(?:correct )?(?:answer|solution|output|response)(?: is)?\s*:\s*", re.I),
}
_SUMS = re.compile(r"[=≈×÷√∞²³]|\d\s*\*\s*\d|[a-z]\s*[+\-]\s*\d", re.I)
_ASKS_NUMBER: Final = {
    "zh": re.compile(r"几(?![乎何])|多少|计算|求"),
    "en": re.compile(
        r"\bhow (?:many|much|long|far|old|tall|fast)\b|\bcalculate\b|\bsolve\b|\bconvert|\bwhat percent", re.I
    ),
}
_RESULT_OF = re.compile(r"(?<![\d.])[\d(][\d\s().,+\-−×÷*/%]*[=≈]\s*(?=\d)")  # "16 - 12 = " before its result
_REFUSAL = re.compile(
    r"^(?:(?:i am |i'm )?(?:sorry|afraid)|i (?:can ?not|can't|am unable)|(?:非常|很)?抱歉|对不起|我(?:无法|不能)|作为)",
    re.I,
)
_SPEAKER = re.compile(r"^(?:user|bot|assistant|agent|human|ai|用户|助手|机器人|客服|[AB甲乙])\s*[:：]", re.I | re.M)
_RESULT: Final = {"zh": 4, "en": 3}  # characters, words: of what a calculation arrives at, "It is eleven."
_CONCLUSION: Final = {
    "zh": re.compile(r"^(?:因此|所以|因而|故|综上(?:所述)?|也就是说|总之|最终|最后得出)[，,：:]?\s*"),
    "en": re.compile(r"^(?:so|therefore|thus|hence|in total|in short|finally),?\s+", re.I),
}


def from_source(reference: str, language: Language, longest: int, question: str = "") -> str | None:
    """What an agent can say of `reference`, at most `longest` characters (zh) or words (en); None where rules cannot.

    Where the `question` asks for a number, what a calculation arrives at is said, not how it got there; an answer of a
    word or two is put into the question's own words. The result holds words for all figures, and passes
    `speakability.speakable`.

    >>> from_source("首先 3 × 4 = 12。\\n因此，一共需要12个苹果。", "zh", 80, "一共需要几个苹果？")
    '一共需要十二个苹果。'
    """
    if _UNSPEAKABLE.search(reference) or _SPEAKER.search(reference) or _REFUSAL.search(reference.strip()):
        return None
    text = _MARKUP.sub("", _LINK.sub(r"\1", reference))
    lines = [line for line in (" ".join(_ASIDE.sub("", line).split()) for line in text.splitlines()) if line]
    lines = [_LABEL[language].sub("", line) for line in lines]
    if _ASKS_NUMBER[language].search(question) and _SUMS.search(reference):
        chosen = _conclusion(lines, language)
        return _spoken([chosen], language, longest, _RESULT[language]) if chosen else None
    if len(lines) == 1 and length(lines, language) < SHORTEST[language]:
        lines = [whole_answer(lines[0], question, language) or lines[0]]
    said = _told(lines, language, longest)
    return _spoken(said, language, longest, SHORTEST[language]) if said else None


def _told(lines: list[str], language: Language, longest: int) -> list[str] | None:
    """Sentences and lists in order, as many as fit."""
    said: list[str] = []
    for block in blocks(lines, language):
        if isinstance(block, Items):
            listed = list_said(block, language, longest - length(said, language))
            said.extend(listed)
            break  # what follows a list speaks of all of it
        for sentence in sentences(block, language):
            room = longest - length(said, language)
            if only_leads(sentence, language):
                continue
            if _SUMS.search(sentence):
                return said or None
            fitting = (
                sentence if length([sentence], language) <= room else (None if said else cut(sentence, language, room))
            )
            if fitting is None:
                return said or None
            said.append(fitting)
            if fitting != sentence:
                return said
    return said or None


def _conclusion(lines: list[str], language: Language) -> str | None:
    """The last sentence that states a number without the sum that led to it."""
    found = [_RESULT_OF.sub("", s) for line in lines for s in sentences(without_mark(line), language)]
    stated = [s for s in found if not _SUMS.search(s) and checks.numbers(s, language)]
    concluding = [s for s in stated if _CONCLUSION[language].match(s)]
    if not stated:
        return None
    chosen = (concluding or stated)[-1]
    bare = _LABEL[language].sub("", _CONCLUSION[language].sub("", chosen))
    return bare[:1].upper() + bare[1:] if language == "en" else bare


def _spoken(said: list[str], language: Language, longest: int, shortest: int) -> str | None:
    joined = ("" if language == "zh" else " ").join(said)
    text = spoken_text(" ".join(joined.split()), language).strip()
    if language == "zh":
        text = re.sub(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])", "", text)
        text = re.sub(r"(?<=[\u4e00-\u9fff])([,?!;:])", lambda m: "，？！；："[",?!;:".index(m[1])], text)
        text = re.sub(r"[；;]$", "。", text)
    if checks.wrong_length(text, language, shortest, longest):
        return None
    wrong = speakable(text, language) or checks.meta_talk(text) or checks.repetition(text, language)
    return None if wrong or checks.unfinished(text) else text
