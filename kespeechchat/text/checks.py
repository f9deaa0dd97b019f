"""Rules for what a language model wrote: pure functions that return a reason code, or None where nothing is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kespeechchat.records import Language
from kespeechchat.text.similarity import similarity, units
from kespeechchat.text.source_filters import language_of

COPY_SIMILARITY = 0.8  # Dice, over which two texts count as the same sentence
COPY_RUN = {"zh": 6, "en": 6}  # characters or words in a row that only an example can have given
PRECISION = {"zh": 0.5, "en": 0.6}  # least share of a response's content that its reference has
RECALL = {"zh": 0.4, "en": 0.4}  # least share of the reference's content, of its first RECALL_UNITS, in the response
RECALL_UNITS = 12

_KINDS: dict[Language, dict[str, re.Pattern[str]]] = {
    "zh": {
        "reason": re.compile(r"为什么|为啥|为何|原因|怎么会|怎么就|何以"),
        "number": re.compile(r"(?<![举绍荐出])几[个天年月次种岁点条只]|多少|多久|多长|多大|多远|多高|需.{0,4}时间"),
        "person": re.compile(r"谁|哪一?位"),
    },
    "en": {
        "reason": re.compile(r"\bwhy\b|\breasons?\b|\bhow come\b|\bcauses?\b", re.I),
        "number": re.compile(r"\bhow (?:many|much|long|far|old|often|tall|big)\b|\bnumber\b", re.I),
        "time": re.compile(r"\bwhat time\b|\bwhen (?:is|was|did|does|do|will|should)\b", re.I),
        "person": re.compile(r"\bwho\b|\bwhose\b", re.I),
    },
}
_SENTENCE = re.compile(r"[^。！？!?.；;]+[。！？!?.；;]*")
_JOINT = re.compile(r"^(?:and|but|so|or|then)\s+|^(?:而且|并且|所以|然后|也)", re.I)
_FINISHED = re.compile(r"[。！？!?.…]['\"”’」]?$")
_META = re.compile(
    r"as an? (?:ai|artificial|language model)|language model|\bi(?:'m| am) an ai\b|\b(?:json|prompt)\b|\brewritten\b|"
    r"\bways? to (?:explain|describe|list|suggest)\b|"
    r"here(?:'s| is) (?:the|a|your|my) (?:rewrit|spoken|question|answer|response|reference)|"
    r"\bthe (?:question|instruction|response|reference|input|output) (?:is|was|says|asks)|"
    r"(?:作为|身为)(?:一个|一名)?(?:人工智能|AI|语言模型)|语言模型|以下是|如下[:：]|根据(?:参考|提供的)|"
    r"(?:改写|口语化|参考答案|提示词|输出结果|指令)(?:后|的|是|为|如下|[:：])|(?:这是|下面是).{0,6}(?:问题|回答)",
    re.I,
)
_ZH_NUMBER = re.compile(r"[零一二三四五六七八九十百千万亿两半\d]+")
_ZH_UNCOUNTED = re.compile(
    r"一(?:个|些|下|点|起|样|般|定|直|切|边|种|次|方面|半|旦|会儿|块|句)|统一|唯一|同一|第一|之一|万一|千万|百分之|十分|"
    r"三三两两|四季|四周|五颜六色|七上八下|零(?:售|件|食|钱|散|碎|星|部件|花)|三(?:明治|角|轮车|峡|亚)|四(?:川|肢)|"
    r"五(?:官|金|谷)|七夕|八(?:卦|宝粥)|九寨沟|百(?:货|科|合|姓|度)|千古|万(?:能|物|事|岁|里长城)|半(?:导体|岛)|两(?:岸|极)"
)
_EN_NUMBERS = frozenset(
    re.findall(
        r"\w+",
        "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion "
        "half third quarter twice double dozen first second",
    )
)
_ZH_NOT = re.compile(r"[不没未无]|并非|切勿|别(?![人的墅处])")
_ZH_NOT_REALLY = re.compile(
    r"不仅|不但|不过|不同|不断|不管|不论|不久|不错|不少|不妨|不用谢|差不多|无论|无数|没关系|没问题|未来|未必|要不|"
    r"好不好|是不是|能不能|会不会|有没有|可不可以"
)
_EN_NOT = re.compile(r"\b(?:not|no|never|none|nothing|neither|nor|without|cannot|nobody|hardly)\b|n['’]t\b", re.I)
_EN_NOT_REALLY = re.compile(r"\bnot only\b|\bno problem\b|\bwhy not\b|\bno wonder\b|\bno doubt\b|\bor not\b", re.I)


def length(text: str, language: Language) -> int:
    """Characters without white space (zh), or words (en)."""
    return len(re.sub(r"\s", "", text)) if language == "zh" else len(text.split())


def wrong_length(text: str, language: Language, shortest: int, longest: int) -> str | None:
    """`empty`, `too_short` or `too_long`, in characters (zh) or words (en)."""
    if not text.strip():
        return "empty"
    n = length(text, language)
    return "too_short" if n < shortest else "too_long" if n > longest else None


def other_language(text: str, language: Language) -> str | None:
    """`other_language` where the text is not in `language`, by its script, or None."""
    return None if language_of(text) == language else "other_language"


def copied(text: str, examples: Iterable[str], language: Language, source: str = "") -> str | None:
    """`copied_example` where the text is a few-shot example again, or has a long run of one that `source` has not."""
    for example in examples:
        if similarity(text, example, language) >= COPY_SIMILARITY:
            return "copied_example"
        if any(run in _bare(text) and run not in _bare(source) for run in _runs(example, language)):
            return "copied_example"
    return None


def _runs(text: str, language: Language) -> list[str]:
    if language == "zh":
        bare = _bare(text)
        return [bare[i : i + COPY_RUN["zh"]] for i in range(len(bare) - COPY_RUN["zh"] + 1)]
    words = re.findall(r"[\w'’]+", text)
    return [_bare(" ".join(words[i : i + COPY_RUN["en"]])) for i in range(len(words) - COPY_RUN["en"] + 1)]


def _bare(text: str) -> str:
    return re.sub(r"\W", "", text).lower()


def changed_kind(question: str, source: str, language: Language) -> str | None:
    """`changed_kind` where the source asks for a reason, a number, a time or a person and the question does not, or
    the other way round."""
    asked = {kind for kind, p in _KINDS[language].items() if p.search(source)}
    asks = {kind for kind, p in _KINDS[language].items() if p.search(question)}
    return "changed_kind" if asked != asks else None


def repetition(text: str, language: Language) -> str | None:
    """`repetition`: a sentence or clause said twice, or a run of the same words over and over."""
    parts = (_JOINT.sub("", c.strip()) for c in re.split(r"[。！？!?.；;，,]", text))
    clauses = [re.sub(r"\W", "", c).lower() for c in parts]
    clauses = [c for c in clauses if len(c) >= (4 if language == "zh" else 8)]
    if len(set(clauses)) < len(clauses):
        return "repetition"
    sentences = [s for s in _SENTENCE.findall(text) if units(s, language).total() >= 4]
    if any(similarity(a, b, language) > 0.85 for i, a in enumerate(sentences) for b in sentences[:i]):
        return "repetition"
    return looping(text, language)


def looping(text: str, language: Language) -> str | None:
    """`repetition` where a run of the same words stands over and over. What goes on behind it cannot undo that, so it
    may be asked of a text that is still being written, but for its last word."""
    run = r"(.{2,12}?)\1\1" if language == "zh" else r"\b(\w+(?:\W+\w+){0,4})(?:\W+\1\b){2}"
    doubled = r"(.{4,12})\1" if language == "zh" else r"\b(\w+(?:\W+\w+){1,4})\W+\1\b"
    return "repetition" if re.search(run, text, re.I) or re.search(doubled, text, re.I) else None


def meta_talk(text: str) -> str | None:
    """`meta_talk`: the model speaks of itself or of its task."""
    return "meta_talk" if _META.search(text) else None


def unfinished(text: str) -> str | None:
    """`unfinished` where the text does not end as a sentence ends, or None."""
    return None if _FINISHED.search(text.strip()) else "unfinished"


def disagrees(response: str, reference: str, language: Language, question: str = "") -> str | None:
    """Why a response does not say what its reference says, or None; give all texts with their numbers in words.

    `disagrees_added`: too much of its content is neither in the reference nor in the `question`; `disagrees_missing`:
    too little of the reference is in it; `disagrees_numbers`: a number of its own; `disagrees_negation`: only one of
    the two negates (not told where the question itself does).
    """
    said = units(response, language, content=True)
    theirs = units(reference, language, content=True)
    given = theirs | units(question, language, content=True)
    if (said & given).total() < PRECISION[language] * said.total():
        return "disagrees_added"
    if (said & theirs).total() < max(1, RECALL[language] * min(theirs.total(), RECALL_UNITS)):
        return "disagrees_missing"
    if not numbers(response, language) <= numbers(reference, language) | numbers(question, language):
        return "disagrees_numbers"
    if negated(question, language) or negated(response, language) == negated(reference, language):
        return None
    return "disagrees_negation"


def numbers(text: str, language: Language) -> set[str]:
    """The number words of a text, without those that count nothing ("一起", "one")."""
    if language == "zh":
        return set(_ZH_NUMBER.findall(_ZH_UNCOUNTED.sub(" ", text))) - {"一"}
    words = re.findall(r"[a-z]+|\d+(?:\.\d+)?", text.lower())
    return {w for w in words if w in _EN_NUMBERS or w[0].isdigit()}


_HOW_MANY = {  # answers, of a directive
    "zh": re.compile(
        r"(?:列出|列举|举出|举|给出|给我|说出|写出|提供|推荐|找出|想出|提出|生成)"
        r"(?:至少)?([一二两三四五六七八九十百0-9]+)(?=[个种条点项款部本首句件位类])"
    ),
    "en": re.compile(
        r"\b(?:name|list|give|give me|suggest|write|generate|provide|find|identify|describe|think of|come up with)"
        r"(?: at least)? ([a-z]+|\d+)\b(?! (?:percent|hundred|thousand|million))",
        re.I,
    ),
}


def changed_numbers(question: str, source: str, language: Language) -> str | None:
    """`changed_numbers` where the question counts otherwise than its source.

    A number whose reading the source leaves in doubt (`readings`) stands there in figures: the question, which a
    language model wrote, may say it in its own words, so only the source's other numbers must come back. How many
    answers a directive asks for ("name three ways") need not be asked again.

    >>> changed_numbers("What are ways to save water?", "Name three ways to save water.", "en")
    >>> changed_numbers("How do five people share a cake?", "Explain how three people share a cake.", "en")
    'changed_numbers'
    """
    asked, given = numbers(question, language), numbers(source, language)
    sure = {number for number in given if not re.search("[0-9]", number)}
    ordered = numbers(" ".join(_HOW_MANY[language].findall(source)), language)
    if ordered and given - ordered <= asked <= given:
        return None
    return None if asked == given or (sure != given and sure <= asked) else "changed_numbers"


def negated(text: str, language: Language) -> bool:
    """Whether the text denies something; forms that only look like it (不错, "not only") do not count."""
    if language == "zh":
        return bool(_ZH_NOT.search(_ZH_NOT_REALLY.sub("", text)))
    return bool(_EN_NOT.search(_EN_NOT_REALLY.sub("", text)))
