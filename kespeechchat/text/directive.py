"""Directive instructions ("classify the following …") and the pieces of information in them.

A directive asks for an operation on a given text: to classify, summarize, extract, rewrite, correct, order, choose. No
one says that aloud, so (arXiv 2412.01078, section 3.1) the sentence that directs is taken away and what it was about
stays, as inspiration for a question. An instruction that holds nothing else is no directive here: it is kept whole.
"""

from __future__ import annotations

import re

DIRECTIVE_TASKS = frozenset(
    ["classification", "summarization", "summary", "extract", "extraction", "rewrite", "rewriting", "closed qa"]
)

_ZH_OPERATION = (
    "分类|归类|分为|分成|总结|概括|摘要|概述|提取|抽取|改写|重写|改为|改成|编辑|润色|重述|重新|选择|选出|找出|挑出|判断|识别|"
    "排序|排列|压缩|简化|缩写|续写|扩写|标题|纠正|改正|修改|填空|补全|补充|标注|检测|提供文本的答案|回答|关键词"
)
_ZH_GIVEN = (
    "以下|下列|下面|下文|上文|上述|以上|给定|给出|提供的|所给|这段|这篇|本文|文本|文中|段落|短文|这句|句子|列表|输入"
)
_ZH_DIRECTIVE = re.compile(rf"(?=.*(?:{_ZH_OPERATION}))(?:.*(?:{_ZH_GIVEN})|^请?(?:你)?(?:{_ZH_OPERATION}))")
_ZH_ORDER = re.compile(r"^(?:请|直接|只|仅|并).{0,12}(?:输出|给出|回答|返回|说明)|^(?:长度|字数|不超过|不少于|要求)")
_ZH_LABEL = re.compile(
    r"^(?:输入|文本|文章|段落|短文|句子|内容|原文|原句|问题|新闻|选项|示例|举例文本|文章内容|场景|情境|情景|现象|背景|材料)\s*[:：]\s*",
    re.M,
)

_EN_OPERATION = (
    r"classif|categori|summar|extract|rewrit|re-write|paraphras|identify|predict|detect|choose|select|pick|find out|"
    r"find the|sort|order|arrange|rank|replace|fill in|complete|correct|proofread|edit|shorten|condense|simplif|"
    r"convert|tell (?:me )?(?:if|whether)|decide|determine|label|verify|check|analy[sz]e|read the|parse|expand|"
    r"reword|give a title|generate a title|generate an? .{0,20}title|fact check"
)
_EN_DIRECTIVE = re.compile(
    rf"^(?:please |in this task,? |you need to |you are (?:given|provided)|given |based on |using |from )?"
    rf".{{0,80}}?\b(?:{_EN_OPERATION})",
    re.I,
)
_EN_ORDER = re.compile(
    r"^(?:please )?(?:output|return|answer|respond|reply|use only|write only|give only|yes or no)\b", re.I
)
_EN_IMPERATIVE = re.compile(rf"^(?:please )?(?:{_EN_OPERATION})", re.I)
_EN_GIVEN = re.compile(
    r"\b(?:following|given|below|provided|sentences?|paragraph|text|passage|article|list|statement|e-?mail|document|"
    r"review|claim|words?|news|story|options|message|instance|utterance|paper|set)\b",
    re.I,
)
_EN_LABEL = re.compile(
    r"^(?:input|text|article|paragraph|sentences?|question|passage|list|title|abstract|document|review|words?|options|"
    r"message|statement|facts|claim|headline|topic|situation|scenario|context|country|city|place|location|name|job|class)"
    r"\s*:\s*",
    re.I | re.M,
)
_PIECES = re.compile(r"(?<=[。！？!?\n])|(?<=[.])(?=\s)|(?<=[:：])(?=\s*[^\d\s])")
_CJK = re.compile(r"[\u4e00-\u9fff]")


def is_directive(task: str | None, instruction: str, input: str) -> bool:
    """Whether the instruction operates on a given text, by the source's label or by its wording, and a text is there.

    >>> is_directive(None, "Summarize the following passage.", "Bees dance to show the way.")
    True
    >>> is_directive(None, "How do bees find their way?", "")
    False
    """
    directs = (task or "").strip().lower() in DIRECTIVE_TASKS or any(_directs(p) for p in _pieces(instruction))
    return directs and bool(information(instruction, input))


def information(instruction: str, input: str) -> str:
    """What is left when the sentences that direct are gone: other sentences of the instruction, then the input.

    >>> information("请将以下句子分类：猫喜欢睡觉。", "")
    '猫喜欢睡觉。'
    """
    kept = [p for p in _pieces(instruction) if not _directs(p) and not _orders(p)]
    if input.strip() and all(not p.endswith(("?", "？")) for p in kept):
        kept = []
    lines = [*kept, *input.splitlines()]
    bare = (without_label(line).strip(" \t“”\"「」'*-·") for line in lines)
    return " ".join(line for line in bare if line)


def without_label(line: str) -> str:
    """A line of given text without the label before it ("Sentence:", "文本：").

    >>> without_label("Sentence: Bees dance."), without_label("文本：蜜蜂跳舞。")
    ('Bees dance.', '蜜蜂跳舞。')
    """
    return _EN_LABEL.sub("", _ZH_LABEL.sub("", line))


def _pieces(text: str) -> list[str]:
    return [p.strip() for p in _PIECES.split(text) if p.strip()]


def _directs(piece: str) -> bool:
    if _CJK.search(piece):
        return bool(_ZH_DIRECTIVE.search(piece))
    if _EN_IMPERATIVE.search(piece):
        return bool(_EN_GIVEN.search(piece)) or piece.endswith((":", "."))
    return bool(_EN_DIRECTIVE.search(piece) and _EN_GIVEN.search(piece))


def _orders(piece: str) -> bool:
    return bool(_ZH_ORDER.search(piece) if _CJK.search(piece) else _EN_ORDER.search(piece))
