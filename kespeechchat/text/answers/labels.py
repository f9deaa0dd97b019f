"""An answer of a word or two, put into its question's words: "Lisbon" becomes "The capital of Portugal is Lisbon."."""

from __future__ import annotations

import re
from typing import Final

from kespeechchat.records import Language

_ZH_IS: Final = re.compile(
    r"(?:^|[，,。])(?P<what>[^，,。]{2,30}?)(?P<verb>是|在)(?:什么|哪[个里儿位座种部条家些]|哪一[个位座种部条家]|谁|何处)"
    r"[\u4e00-\u9fff]{0,4}[？?]$"
)
_ZH_SORTS: Final = re.compile(r"(?P<this>这(?:[段句条个些][\u4e00-\u9fff]{1,6}?)).{0,4}(?:分类|分为|归类|归为)")
_ZH_JUDGES: Final = re.compile(r"(?P<this>这[个句条][\u4e00-\u9fff]{1,4}?)是否(?P<how>[\u4e00-\u9fff]{2,6})吗")
_ZH_TRUE, _ZH_FALSE = (
    frozenset(["是", "对", "正确", "是的", "对的"]),
    frozenset(["否", "不是", "不对", "错误", "不正确"]),
)

_EN_IS: Final = re.compile(
    r"(?:^|[.!?] )(?:what|who|which) (?P<verb>is|are|was|were) (?P<what>(?:the|his|her|its|their) [^.?!,]+)\?$", re.I
)
_EN_CHOOSES: Final = re.compile(
    r"\b(?:can|could|would) you (?:classify|categorize|identify|select|choose|pick|find|determine|decide)\b[^.?!]*\?$",
    re.I,
)
_EN_WHETHER: Final = re.compile(
    r"\b(?:if|whether) (?P<subject>this [a-z]+) (?P<verb>is|are|was|were|contains|has) (?P<rest>[^.?!,]+)\?$", re.I
)
_EN_NOT = {"contains": "does not contain", "has": "does not have"}


def whole_answer(label: str, question: str, language: Language) -> str | None:
    """A sentence that answers `question` with `label`, or None where no rule makes one.

    >>> whole_answer("Lisbon", "What is the capital of Portugal?", "en")
    'The capital of Portugal is Lisbon.'
    >>> whole_answer("广告", "新款手机上市，速来选购！你能把这段话分类为新闻或广告吗？", "zh")
    '这段话属于广告。'
    """
    bare = label.strip().rstrip("。.，,；;")
    if not bare or re.search(r"[。.！!？?]", bare):
        return None
    return _zh(bare, question) if language == "zh" else _en(bare, question)


def _zh(label: str, question: str) -> str | None:
    if found := _ZH_JUDGES.search(question):
        if label in _ZH_TRUE:
            return f"是的，{found['this']}{found['how']}。"
        return f"不，{found['this']}不{found['how']}。" if label in _ZH_FALSE else None
    if found := _ZH_SORTS.search(question):
        return f"{found['this']}属于{label}。"
    found = _ZH_IS.search(question)
    return f"{found['what']}{found['verb']}{label}。" if found else None


def _en(label: str, question: str) -> str | None:
    if found := _EN_WHETHER.search(question):
        subject, verb, rest = found["subject"], found["verb"].lower(), found["rest"]
        if label.lower() in ("yes", "true"):
            return f"Yes, {subject} {verb} {rest}."
        return f"No, {subject} {_EN_NOT.get(verb, verb + ' not')} {rest}." if label.lower() in ("no", "false") else None
    if _EN_CHOOSES.search(question):
        return f"I would say it is {label}."
    found = _EN_IS.search(question)
    return f"{found['what'][:1].upper()}{found['what'][1:]} {found['verb'].lower()} {label}." if found else None
