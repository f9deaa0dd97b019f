"""Requests about a short given text, as a person says them aloud: the text first, or its name inside the request.

    aloud("Rewrite the following sentence to be more polite.", "Close the door.", "en", turn=0)
    'Close the door. Can you rewrite this sentence to be more polite?'

On a page a request points at a text that stands beside it. Who speaks says a short text first and then asks about
"this sentence"; a name takes its place in the request ("the given city" is Lisbon); and of "answer the question" with
a question, the question is all that is said. So the source's own answer still answers what is asked. A text that no
one would say (a table, lettered options, a gap to fill) gives None.
"""

from __future__ import annotations

import re
from typing import Final

from kespeechchat.records import Language
from kespeechchat.text.directive import without_label
from kespeechchat.text.questions import EN_FRAMES, ZH_FRAMES

_PAGE: Final = re.compile(  # what stands on a page and is not said
    r"[_\[\]{}<>|=→]|\.{3,}|…|^\s*(?:[-*•]|[(（]?[A-Da-d1-9][.、)）:：])\s*\S|[:：](?!\d)|\b[A-D][)）.]|选项|https?",
    re.M,
)
_LONGEST: Final = 800  # characters: more than anybody says, and cheap to look at
_ENDED: Final = {"zh": re.compile(r"[。！？!?]$"), "en": re.compile(r"[.!?]$")}

_ZH_SPLIT: Final = re.compile(r"^(?P<request>[^\n:：。]{4,48})(?:[:：。]\s*\n?|\n)\s*(?P<given>\S.*)$", re.S)
_ZH_ANSWER: Final = re.compile(r"^(?!.*(?:错|假|选项|风格|口吻|方式|语气|英|字|改写|三个|多个)).*(?:回答|答案|解答)")
_ZH_STEPS: Final = re.compile(r"^[^。！？]{0,12}(?:步骤|过程|理由)[。！]")  # "写出推理步骤。", which says how to answer
_ZH_POINTER: Final = r"(?:以下|下列|下面|给定|所给|给出|所提供|提供|这些)(?:给出|提供)?的?"
_ZH_THIS: Final = {  # how each kind of given text is pointed at when it has been said
    "这句话": "句子 语句",
    "这段话": "文本 文字 短文 文段 段落 文章 内容 描述 输入 一段文本 一段话",
    "这段{}": "对话 歌词",
    "这条{}": "新闻 新闻报道 评论",
    "这个{}": "陈述 说法 论点 观点 现象 场景 情境 情景 标题 新闻标题 故事 例子 事件",
    "这些{}": "词汇 词语 词 单词 短语 数学术语 术语 概念 品牌 公司名称 公司 食物 动物 水果 植物 国家 城市 数字 "
    "物品 产品 名称 职业 颜色 材料",
}
_ZH_NOUNS: Final = {noun: this for this, nouns in _ZH_THIS.items() for noun in nouns.split()}
_ZH_POINTS: Final = re.compile(
    rf"{_ZH_POINTER}(?:这?(?P<count>[一二两三四五六七八九十几]?[个句段条组种篇些])(?:的)?)?"
    rf"(?P<noun>{'|'.join(sorted(_ZH_NOUNS, key=len, reverse=True))}|话)"
)
_ZH_BY: Final = re.compile(  # "根据这段话，对其进行分类", and without its comma
    r"^(?:根据|基于|按照|针对)(?P<this>这[^，,对将把为给]{1,8})"
    r"(?:[，,]\s*(?P<act>(?:对|将|把|为|给)(?:其|它们|它))?|(?P<at_once>(?:对|将|把|为|给)(?:其|它们|它)))"
)
_ZH_POLITE: Final = re.compile(r"^(?:请问|请|麻烦|帮忙|帮我|你|您|来|简要|简单)*")
_ZH_STARTS: Final = re.compile(
    r"^(?:在这|判断|识别|分类|归类|对|把|给|从|找出|提取|抽取|选出|总结|概括|概述|归纳|改写|重写|解释|说明|分析|评价|描述|介绍|比较|"
    r"说出|指出|列出|告诉我|排列|排序|计算|预测|确定|推断|讲讲|谈谈)"
)
_ZH_LEFT: Final = re.compile(r"以下|下列|下面|给定|所给|上述|输入|选项|填空|空缺|空白|括号|编号|表格|[。？！?\n“”:：]")

_NAME: Final = 6  # words of an English name, at most
_EN_NAMED: Final = frozenset(
    ["word", "idiom", "phrase", "term", "topic", "concept", "proverb", "expression", "acronym"]
)
_EN_TEXTS: Final = (
    "sentences?|text|paragraph|passage|statement|claim|review|headline|quote|phrase|message|tweet|prompt|conversation|"
    "description|words?|list|set|names?|items|animals|foods|countries|cities|numbers"
)
_EN_POINTS: Final = re.compile(
    r"\b(?:(?:the|a|an|each of the) )?(?:following|given|below|provided) "
    r"(?P<noun>(?!(?:as|to|from|into|in|is|are|using|for|and|or|with|of|by|on|at|that|if)\b)[a-z]+)\b|"
    rf"\bthe (?P<text>{_EN_TEXTS})\b",
    re.I,
)
_EN_GIVEN_NAME: Final = re.compile(  # "Given the name of an exercise, explain how to do it"
    r"^given (?:the )?(?:name of )?(?:a|an|the) [a-z ]{2,24}, (?P<before>[^,]+)\bit\b(?P<after>[^,]*)$", re.I
)
_EN_ANSWER: Final = re.compile(
    r"^(?:please )?(?:answer|solve|solving)\b[\w ]{0,30}\b(?:question|problem)s?(?:$|\. [^.]*\bsteps?\b)|"
    r"^how (?:do|would) you answer\b",
    re.I,
)
_EN_STARTS: Final = re.compile(
    r"^(?:please |kindly )?(?:(?:you (?:need|have) to|i want you to) )?(?P<request>(?:explain|describe|tell|give|"
    r"suggest|recommend|name|list|define|compare|discuss|outline|share|show me|help me|come up with|think of|find|"
    r"calculate|convert|identify|provide|rewrite|paraphrase|reword|classify|categorize|summarize|extract|verify|check|"
    r"correct|fix|simplify|shorten|select|choose|pick|sort|rank|arrange|decide|determine|detect|turn|make|create|"
    r"write|generate|plan|predict|use|say|analyze|analyse)\b.+)$",
    re.I | re.S,
)
_EN_SENTENCE: Final = re.compile(r"(?<=[.!?] )[a-z]")
_EN_TWICE: Final = re.compile(r"\b(?:the|two|three|four|five|both|all|these|each) (?:this|these)\b", re.I)
_EN_YES_OR_NO: Final = re.compile(r"[.?!]\s*(?:answer )?(?:with )?yes or no[.?!]?$", re.I)
_EN_LEFT: Final = re.compile(
    r"\b(?:following|given|below|provided|input|output|options?|mask|blank|table|token)\b|[:\n]", re.I
)


def aloud(instruction: str, input: str, language: Language, turn: int) -> str | None:
    """A request with its given text as one question, or None where no rule can say it.

    The text is the `input`, or stands in the instruction behind the request. `turn` chooses among the frames.

    >>> aloud("判断以下陈述是否正确：鲸鱼是一种鱼。", "", "zh", 0)
    '鲸鱼是一种鱼。你能判断这个陈述是否正确吗？'
    >>> aloud("Make a list of things to do in the given city.", "Lisbon", "en", 0)
    'Can you make a list of things to do in Lisbon?'
    """
    if len(instruction) + len(input) > _LONGEST:
        return None
    request, given = _parts(instruction, input, language)
    text = _said(given, language)
    if not request or not text:
        return None
    if (_ZH_ANSWER if language == "zh" else _EN_ANSWER).search(request):
        asked = _ZH_STEPS.sub("", text)
        return asked if _one_question(asked) else None
    return _zh(request, text, turn) if language == "zh" else _en(request, text, turn)


def _parts(instruction: str, input: str, language: Language) -> tuple[str, str]:
    """The request and its text; two empty texts where the instruction holds no text or more than one request."""
    instruction = instruction.strip()
    if input.strip():
        return instruction.rstrip(" .:：。"), input.strip()
    found = _ZH_SPLIT.match(instruction) if language == "zh" else None
    return (found["request"].strip(), found["given"].strip()) if found else ("", "")


def _said(given: str, language: Language) -> str:
    """The given text in one line, without its labels and quotes; empty where nobody would say it."""
    lines = [_unquoted(without_label(line.strip())) for line in given.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) > 1 and not all(_ENDED[language].search(line) for line in lines):
        return ""
    joined = _unquoted(("" if language == "zh" else " ").join(lines))
    if language == "en":
        joined = _EN_SENTENCE.sub(lambda found: found[0].upper(), joined)
    return "" if _PAGE.search(joined) else joined


def _unquoted(text: str) -> str:
    """Without quotes around the whole: not those of “a” and “b”, and those inside stay."""
    text, opened = text.strip(), 0
    for at, mark in enumerate(text):
        opened += (mark in "“‘「") - (mark in "”’」") if mark not in "\"'" else (1 if at == 0 else -1)
        if opened <= 0:
            return text[1:-1].strip() if at and at == len(text) - 1 else text
    return text


def _one_question(text: str) -> bool:
    return text.endswith(("?", "？")) and len(re.findall(r"[?？]", text)) == 1


def _zh(request: str, text: str, turn: int) -> str | None:
    if len(list(_ZH_POINTS.finditer(request))) != 1:
        return None
    bare = _ZH_POLITE.sub("", _ZH_POINTS.sub(_zh_this, request)).rstrip("，,的 ")
    if by := _ZH_BY.match(bare):
        act = by["act"] or by["at_once"]
        bare = (f"{act[0]}{by['this']}" if act else "") + bare[by.end() :]
    bare = re.sub(r"^将", "把", re.sub(r"^为", "给", _ZH_POLITE.sub("", bare)))
    if not _ZH_STARTS.match(bare) or _ZH_LEFT.search(bare):
        return None
    stop = "" if _ENDED["zh"].search(text) else "，" if re.search(r"[、，,]", text) and len(text) < 24 else "。"
    if not re.search(r"[、，,；;和]", text):
        bare = bare.replace("这些", "这个")
    if len(re.findall(r"[。！？!?]", text + stop)) > 1:
        bare = bare.replace("这句话", "这几句话")
    if stop == "，":  # a list of words
        text = re.sub(r"[“”‘’\"]", "", text)
    return text + stop + ZH_FRAMES[turn % len(ZH_FRAMES)].format(bare)


def _zh_this(found: re.Match[str]) -> str:
    noun = found["noun"]
    if (count := found["count"]) and count[0] in "两三四五六七八九十几":
        return f"这{count}{noun}"
    return "这句话" if noun == "话" else _ZH_NOUNS[noun].format(noun)


def _en(request: str, text: str, turn: int) -> str | None:
    request = _EN_YES_OR_NO.sub("", request)
    if re.search(r"[.!?]\s", request + " "):
        return None
    is_name = len(text.split()) <= _NAME and not _ENDED["en"].search(text)
    if is_name and (given := _EN_GIVEN_NAME.match(request)):
        return _en_framed(f"{given['before']}{text[:1].lower() + text[1:]}{given['after']}", turn)
    found = list(_EN_POINTS.finditer(request))
    if len(found) != 1:
        return None
    noun = (found[0]["noun"] or found[0]["text"]).lower()
    if is_name and noun in _EN_NAMED:
        return _en_framed(_put(request, found[0], f"the {noun} {text}"), turn)
    if not re.fullmatch(_EN_TEXTS, noun):
        return _en_framed(_put(request, found[0], text), turn) if is_name else None
    this = "these" if noun.endswith("s") else "this"
    asked = _en_framed(_put(request, found[0], f"{this} {noun}"), turn)
    stop = "" if _ENDED["en"].search(text) else "."
    return f"{text[:1].upper()}{text[1:]}{stop} {asked}" if asked else None


def _put(request: str, found: re.Match[str], words: str) -> str:
    return request[: found.start()] + words + request[found.end() :]


def _en_framed(request: str, turn: int) -> str | None:
    found = _EN_STARTS.match(request)
    if not found or _EN_LEFT.search(request) or _EN_TWICE.search(request):
        return None
    asked = found["request"].rstrip(" .,;:!?")
    return EN_FRAMES[turn % len(EN_FRAMES)].format(asked[:1].lower() + asked[1:])
