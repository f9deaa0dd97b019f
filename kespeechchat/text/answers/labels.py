"""An answer of a word or two, put into its question's words: "Lisbon" becomes "The capital of Portugal is Lisbon."."""

from __future__ import annotations

import re
from typing import Final

from kespeechchat.records import Language

# Few forms, in which the answer is sure to fit: a wrong "yes" is worse than a row that is lost.
_ZH_LABEL: Final = re.compile(r"^(?!是|属于|因为|由于|不|没|这|那|我|你|它|他|她|在|有)[\u4e00-\u9fffA-Za-z·、]{1,7}$")
_ZH_IS: Final = re.compile(
    r"^(?!.*(?:[你您我请]|告诉|知道|觉得|认为|判断|以下))(?P<what>[\u4e00-\u9fff《》]{2,24}?)是(?:什么|谁|哪里|哪[个位座种部条家])"
    r"(?:城市|国家|人|地方|动物|季节|大洲|电影|书|河|山|湖)?[？?]$"
)
_ZH_SORTS: Final = re.compile(r"(?P<this>这段话|这句话)(?:进行|的)?(?:情感)?(?:分类|归类|分为)")
_ZH_JUDGES: Final = re.compile(r"这个(?P<what>陈述|说法|观点)是否正确(?:吗)?[？?]$")
_ZH_TRUE = frozenset(["是", "对", "正确", "是的", "对的"])
_ZH_FALSE = frozenset(["否", "不是", "不对", "错误", "不正确"])

_EN_LABEL: Final = re.compile(
    r"^(?!(?:it|he|she|they|i|we|you|this|that|there|no|not|yes|because)\b)[\w'-]+(?: [\w'-]+){0,2}$", re.I
)
_EN_IS: Final = re.compile(
    r"^(?:what|who) (?P<verb>is|was) (?P<what>the (?:[a-z]+ )?(?:capital|currency|author|inventor|president|color|"
    r"colour|symbol|population|sum|product|square root|opposite) of (?!you|my|this|these)[\w' ]{2,30})\?$",
    re.I,
)
_EN_WHETHER: Final = re.compile(
    r"\b(?:if|whether) (?P<subject>this (?:sentence|statement|claim)) is (?P<rest>(?:factually )?(?:true|correct))\?$",
    re.I,
)


def whole_answer(label: str, question: str, language: Language) -> str | None:
    """A sentence that answers `question` with `label`, or None where it is not sure that one would be right.

    >>> whole_answer("Lisbon", "What is the capital of Portugal?", "en")
    'The capital of Portugal is Lisbon.'
    >>> whole_answer("广告", "新款手机上市，速来选购！你能把这段话分类为新闻或广告吗？", "zh")
    '这段话属于广告。'
    """
    bare = label.strip().rstrip("。.")
    return _zh(bare, question) if language == "zh" else _en(bare, question)


def _zh(label: str, question: str) -> str | None:
    if found := _ZH_JUDGES.search(question):
        if label in _ZH_TRUE:
            return f"是的，这个{found['what']}正确。"
        return f"不，这个{found['what']}不正确。" if label in _ZH_FALSE else None
    if not _ZH_LABEL.match(label):
        return None
    if found := _ZH_SORTS.search(question):
        return f"{found['this']}属于{label}。"
    found = _ZH_IS.match(question)
    return f"{found['what']}是{label}。" if found else None


def _en(label: str, question: str) -> str | None:
    if found := _EN_WHETHER.search(question):
        if label.lower() in ("yes", "true"):
            return f"Yes, {found['subject'].lower()} is {found['rest'].lower()}."
        no = f"No, {found['subject'].lower()} is not {found['rest'].lower()}."
        return no if label.lower() in ("no", "false") else None
    found = _EN_IS.match(question) if _EN_LABEL.match(label) and " and " not in question else None
    return f"{found['what'][:1].upper()}{found['what'][1:]} {found['verb'].lower()} {label}." if found else None
