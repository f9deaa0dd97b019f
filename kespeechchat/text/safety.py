"""Readable rules against unsafe text: personal data, and requests for harm. They run beside the judge, never instead.

A rule of harm looks at one sentence: every pattern of `all_of` occurs in it and none of `none_of`, the words by which
people ask about prevention, help, history or play. So the rules catch what is said plainly and miss what is only meant;
that is the judge's part. Names of places and years can look like addresses: a row lost is cheaper than one leaked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from kespeechchat.records import Language
from kespeechchat.text import safety_en, safety_zh

_SENTENCE_END = re.compile(r"[。！？!?;；\n]|\.(?=\s|$)")


@dataclass(frozen=True)
class HarmRule:
    """Harmful where every pattern of `all_of` is found and `none_of` is not."""

    code: str
    all_of: tuple[re.Pattern[str], ...]
    none_of: re.Pattern[str] | None


@dataclass(frozen=True)
class DataRule:
    """Personal data: `pattern` finds a candidate, `check` (where there is one) tells it from a chance match."""

    code: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] | None = None


def _luhn(number: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    digits = [int(c) for c in number if c.isdigit()][::-1]
    return sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0


_STREETS = "Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Terrace"
# A mainland identity number: region (6), date of birth (8), serial (3), check character (GB 11643).
_IDENTITY = r"(?<!\d)[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)"
_MOBILE = r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)"
_LANDLINE = r"(?<!\d)0\d{2,3}-\d{7,8}(?!\d)"
_AMERICAN = r"(?<![\d.])(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?!\d|\.\d)"
_INTERNATIONAL = r"(?<![\d+])\+\d{1,3}(?:[ -]?\d{2,5}){2,4}(?!\d)"
_ZH_ADDRESS = r"[\u4e00-\u9fff](?:路|街|巷|弄|道|胡同)\d+(?:-\d+)?号|\d+(?:号楼|栋|幢)\d*(?:单元|室)|\d+单元\d+室"
_EN_ADDRESS = rf"(?<!\bin )(?<!\bIn )(?<!since )\b\d{{1,5}}[A-Z]?(?: [A-Z][a-z]+){{1,3}} (?:{_STREETS})\b"

DATA_RULES = (
    DataRule("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    DataRule("url", re.compile(r"https?://|\bwww\.\w|\b[\w-]+\.(?:com|cn|net|org|io|co|edu|gov)/\w", re.I)),
    DataRule(
        "handle", re.compile(r"(?<![\w.@])@[A-Za-z_]\w{2,}|(?:微信|QQ|抖音)号?[是为:：]? ?[A-Za-z0-9_-]{5,}", re.I)
    ),
    DataRule("id_number", re.compile(rf"{_IDENTITY}|(?<![\d-])\d{{3}}-\d{{2}}-\d{{4}}(?![\d-])")),
    DataRule("card_number", re.compile(r"(?<![\d-])\d{4}(?:[ -]?\d{4}){2,3}(?:[ -]?\d{1,3})?(?![\d-])"), _luhn),
    DataRule("phone", re.compile("|".join((_MOBILE, _LANDLINE, _AMERICAN, _INTERNATIONAL)))),
    DataRule("address", re.compile(f"{_ZH_ADDRESS}|{_EN_ADDRESS}")),
)


def _compiled(table: safety_zh.Table) -> tuple[HarmRule, ...]:
    return tuple(
        HarmRule(code, tuple(re.compile(p) for p in all_of), re.compile(none_of) if none_of else None)
        for code, all_of, none_of in table
    )


HARM_RULES: dict[Language, tuple[HarmRule, ...]] = {
    "zh": _compiled(safety_zh.TABLE),
    "en": _compiled(safety_en.TABLE),
}


def unsafe(text: str, language: Language) -> str | None:
    """The code of the first rule that `text` breaks, or None.

    Personal data (`email`, `url`, `handle`, `id_number`, `card_number`, `phone`, `address`) is looked for alike in both
    languages; harm (`minors`, `self_harm`, `weapons`, `drugs`, `violence`, `hate`, `crime`, `privacy`) in the words of
    `language`.

    >>> unsafe("Write to jane@example.org about it.", "en")
    'email'
    >>> unsafe("怎么自制炸弹？", "zh")
    'weapons'
    >>> unsafe("When was the hand grenade invented?", "en") is None
    True
    """
    text = unicodedata.normalize("NFKC", text)
    for rule in DATA_RULES:
        if any(rule.check is None or rule.check(m.group()) for m in rule.pattern.finditer(text)):
            return rule.code
    for sentence in _SENTENCE_END.split(text.lower()):
        for harm in HARM_RULES[language]:
            if all(p.search(sentence) for p in harm.all_of) and not (harm.none_of and harm.none_of.search(sentence)):
                return harm.code
    return None
