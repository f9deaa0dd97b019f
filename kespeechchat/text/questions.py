"""Questions that need no language model: what a person would already say, and plain requests made questions.

    as_is("什么是深度学习", "zh")                             '什么是深度学习？'
    framed("Describe how to store bread.", "en", turn=0)   'Can you describe how to store bread?'

A 270M model takes seconds to say a spoken question again, and often says it worse; a fixed frame turns a request into
what people ask of a voice assistant. What neither rule can place gives None, and the model is asked. The caller checks
the result as it checks what a model wrote (`compose.question_by_rule`).
"""

from __future__ import annotations

import re
from typing import Final

from kespeechchat.records import Language

_QUOTES = " \t\"'“”‘’「」"
_LABEL = re.compile(r"(?:^|(?<=[\s。！？!?:：]))(?:问题|question|q)\s*[:：]\s*", re.I)
_ALIAS = re.compile(r"\s*[（(][A-Za-z][A-Za-z .&-]+[)）]")  # "化学需氧量(COD)": said once
_ABOUT: Final = re.compile(  # "回答以下问题：…？", "Answer the following question: …?"
    r"^(?:(?=.{0,30}(?:答|以下|下列|下面|这个|给定|给出|提供))[^？?]{0,40}(?:问题|提问|问句)[^？?]{0,14}|"
    r"[^?]{0,40}\b(?:answer|following|below|this|these|given)\b[^?]{0,20}\bquestions?\b[^?:]{0,30})"
    r"[:：。.\n]\s*[\"“”'‘’]?(?P<asked>[^？?\n]{3,}[？?])[\"“”'‘’]?[.。,，]?$",
    re.I,
)
_SAY_OUT: Final = re.compile(r"^请?(?:输出|回答|询问)(?:一下)?[:：]?\s*(?=.*[？?什么谁哪几吗])")
_WRITES: Final = re.compile(r"^(?:please )?(?:write|generate|create|compose|design|make|draw|draft)\b", re.I)
_ANSWER_LABEL = re.compile(r"\s*(?:答案|回答|answer|a)\s*[:：]\s*$", re.I)
# The text points at something that stands beside it on the page.
_POINTS: Final = {
    "zh": re.compile(r"(?<![度岁])以下|下列|下面|下文|上文|上述|以上|给定|所给|给出的|这[段篇句]|文中|输入|选项|括号"),
    "en": re.compile(
        r"\b(?:following|given|below|above|provided|passage|paragraph|input|options?|this (?:text|sentence|list))\b",
        re.I,
    ),
}
_ON_PAGE: Final = {
    "zh": re.compile(r"(?<![度岁])以下|下列|下面(?:的|这|哪)|下文|上文|上述|给定的|所给的|给出的|(?<!中)文中"),
    "en": re.compile(r"\b(?:the|a|an|these|each) (?:following|given|above|provided)\b|\b(?:the|this) passage\b", re.I),
}
_ASKS: Final = {
    "zh": re.compile(r"什么|多少|几|哪|谁|怎么|怎样|如何|为何|为啥|是否|能否|可否|吗|呢|[是能会要好]不[是能会要好]"),
    "en": re.compile(
        r"^(?:what|which|who|whose|whom|when|where|why|how|is|are|was|were|do|does|did|can|could|should|would|will|"
        r"has|have|had|may|might|if|in what|in which|at what|to what|for how)\b",
        re.I,
    ),
}

_ZH_TERM = re.compile(
    r"^请?你?(?:用[^，。]{1,10})?(?:解释|说明|定义)(?:一下)?(?:以下|下列|下面|这个)?(?:的)?"
    r"(?:成语|术语|概念|词语|词汇|名词|单词|俗语|谚语|短语)(?:的含义|的意思)?\s*[:：]\s*(?P<term>[^\n，。？！:：]{1,16})[。.]?$"
)
_ZH_NAMED = re.compile(
    r"^请?你?(?P<verb>介绍|描述|解释|说明|分析|评价|推荐|讲述|简述|概述)(?:一下)?(?:以下|下列|下面)(?:这[个部本位种])?"
    r"(?P<kind>[^\s，。:：的]{1,6})(?P<rest>的[^\s，。:：]{1,14})?\s*[:：。]?\s*(?P<name>[《“\"「][^\n。？！]{1,24}[》”\"」])[。.]?$"
)
_ZH_REQUEST = re.compile(
    r"^(?:请|麻烦|帮忙)?(?:你|您)?(?:来)?(?:用[^，。]{1,10}(?:语言|方式|话|句子))?(?:简要|简单|简短|简洁|详细|具体|大致)?(?:地|的)?"
    r"(?P<verb>解释|说明|阐述|阐释|描述|简述|介绍|概述|叙述|讲述|讲讲|谈谈|说说|列出|列举|举出|说出|给出|写出|提供|推荐|告诉我|比较|对比|分析|"
    r"讨论|评价|计算|解答|总结|归纳|给我讲|给我|帮我)(?:一下)?(?P<rest>.+)$",
    re.S,
)
_ZH_SAID: Final = {  # how the verb of a written task is said aloud
    **dict.fromkeys(["解释", "阐释", "阐述", "说明"], "解释一下"),
    **dict.fromkeys(["描述", "叙述", "讲述", "讲讲", "说说"], "讲讲"),
    **dict.fromkeys(["简述", "介绍", "概述"], "介绍一下"),
    **dict.fromkeys(["列出", "列举", "举出", "说出", "写出"], "说出"),
    **dict.fromkeys(["给出", "提供"], "告诉我"),
    **dict.fromkeys(["比较", "对比"], "比较一下"),
    **dict.fromkeys(["总结", "归纳"], "总结一下"),
    "分析": "分析一下",
    "评价": "评价一下",
    "讨论": "谈谈",
    "计算": "算一算",
    "解答": "解答一下",
}
ZH_FRAMES: Final = ("你能{}吗？", "能不能{}？", "你可以{}吗？", "可以{}吗？")
_ZH_ENDS = re.compile(r"[。．.！!；;，,\s]+$")

_EN_REQUEST = re.compile(
    r"^(?:please |kindly )?(?P<request>(?:explain|describe|tell me|give me|suggest|recommend|name|list|define|compare|"
    r"discuss|outline|share|show me|help me|teach me|come up with|think of|make up|find|calculate|convert|offer|"
    r"identify|brainstorm|provide|advise me|walk me through)\b.+)$",
    re.I | re.S,
)
EN_FRAMES: Final = ("Can you {}?", "Could you {}?", "Would you {}?")
_EN_ENDS = re.compile(r"[.!;,\s]+$")
_EN_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")


def points_at_text(question: str, language: Language) -> bool:
    """Whether a question speaks of a text that stands beside it on a page ("the given subject", "以下句子").

    >>> points_at_text("What is the relation between the given pairs?", "en")
    True
    """
    return bool(_ON_PAGE[language].search(question))


def as_is(text: str, language: Language) -> str | None:
    """The question that `text` already is, with its mark, or None where no person would say it so.

    `text` is an instruction without an input, in the form in which it came. Labels ("Question: …") and quotes around
    the whole are taken off; a question that points at other text ("which of the following") is none.

    >>> as_is("Question: in which year did he retire?\\nAnswer:", "en")
    'In which year did he retire?'
    >>> as_is("Explain how bees find their way.", "en") is None
    True
    """
    bare = _bare(text)
    if _POINTS[language].search(bare) or "\n" in bare or (language == "en" and _WRITES.match(bare)):
        return None
    if re.match(r"\d+[.、．]", bare):
        return None  # one of several
    last = re.split(r"[。．！!；;，,]" if language == "zh" else r"[.!;,]\s", bare)[-1].strip()
    asks = bool(_ASKS[language].search(last)) or bare.endswith(("?", "？"))
    if not asks or (not bare.endswith(("?", "？")) and re.search(r"[。．.！!]$", bare)):
        return None
    if language == "en" and not bare.endswith("?") and len(_EN_SENTENCES.split(bare)) > 1:
        return None
    mark = "？" if language == "zh" else "?"
    question = bare.rstrip("?？ ,，") + mark
    return question[:1].upper() + question[1:] if language == "en" else question


def framed(text: str, language: Language, turn: int) -> str | None:
    """A request as the question that asks for it, or None where it is no plain request.

    `turn` chooses among the frames ("Can you …?", "Could you …?"): give a hash of the row.

    >>> framed("请解释潮汐的成因。", "zh", 0), framed("解释以下成语：\\n守株待兔。", "zh", 0)
    ('你能解释一下潮汐的成因吗？', '守株待兔是什么意思？')
    """
    bare = _bare(text)
    return _framed_zh(bare, turn) if language == "zh" else _framed_en(bare, turn)


def _framed_zh(text: str, turn: int) -> str | None:
    if found := _ZH_TERM.match(text):
        return f"{found['term'].strip(_QUOTES)}是什么意思？"
    if found := _ZH_NAMED.match(text):
        verb = _ZH_SAID.get(found["verb"], found["verb"])
        return ZH_FRAMES[turn % len(ZH_FRAMES)].format(f"{verb}{found['kind']}{found['name']}{found['rest'] or ''}")
    found = _ZH_REQUEST.match(text)
    if not found or _POINTS["zh"].search(text) or "\n" in text:
        return None
    rest = _ZH_ENDS.sub("", found["rest"]).lstrip("，,：: ")
    if not rest or re.search(r"[。！？!?．]", rest):
        return None
    return ZH_FRAMES[turn % len(ZH_FRAMES)].format(_ZH_SAID.get(found["verb"], found["verb"]) + rest)


def _framed_en(text: str, turn: int) -> str | None:
    found = _EN_REQUEST.match(text)
    if not found or _POINTS["en"].search(text) or "\n" in text:
        return None
    request = _EN_ENDS.sub("", found["request"])
    if re.search(r"[.!?]\s", request + " "):
        return None
    return EN_FRAMES[turn % len(EN_FRAMES)].format(request[:1].lower() + request[1:])


def _bare(text: str) -> str:
    """Without labels and quotes around the whole; line breaks stay, other white space is made even."""
    lines = [" ".join(line.split()) for line in _ANSWER_LABEL.sub("", text.strip()).splitlines()]
    joined = _ALIAS.sub("", "\n".join(line for line in lines if line)).rstrip(",，")
    if found := _ABOUT.match(joined):
        return found["asked"].strip(_QUOTES)
    joined = _SAY_OUT.sub("", joined)
    labelled = _LABEL.split(joined)[-1].strip() if _LABEL.search(joined) else joined
    asked = labelled if labelled.endswith(("?", "？")) else joined
    return asked.strip(_QUOTES) if asked[:1] in _QUOTES and asked[-1:] in _QUOTES else asked
