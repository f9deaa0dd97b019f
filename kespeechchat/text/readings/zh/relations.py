"""Two numbers and what stands between them: ratios, scores, ranges, fractions, dimensions, sums."""

from __future__ import annotations

import re
from math import gcd

from kespeechchat.text.readings.forms import HIDDEN, InDoubt, Match, Rule, after, around, before
from kespeechchat.text.readings.numbers_zh import cardinal, counted, digits, number, quantity
from kespeechchat.text.readings.zh.patterns import DONE, EDGE, MEASURE, NUMBER, SCORES

_SIGNS = {
    "+": "加", "-": "减", "−": "减", "–": "减", "*": "乘", "×": "乘", "x": "乘", "X": "乘", "/": "除以", "÷": "除以",
    "=": "等于", "?": "几", "？": "几",
}  # fmt: skip
_RATED = re.compile(r"评分|打分|得分|满分|分数|评价|星")
_PART_OF = re.compile("的|[杯勺碗]")
_DATED = re.compile(r"(?:在|于|到|从|日期|截止)[:：]?$")
_HAN = rf"\u4e00-\u9fff{HIDDEN}"
_OPERATION = rf"\s?[-+*×xX/÷−–]\s?{NUMBER}"
_EQUATION = re.compile(
    rf"{EDGE}{NUMBER}(?:{_OPERATION})+(?:\s?=(?:\s?(?:{NUMBER}(?:{_OPERATION})*|[?？]))?)+(?![A-Za-z])"
)
_BRACKETED = re.compile(r"^[(（].*[)）]$")
VULGAR = {
    "½": "二分之一",
    "⅓": "三分之一",
    "⅔": "三分之二",
    "¼": "四分之一",
    "¾": "四分之三",
    "⅕": "五分之一",
    "⅛": "八分之一",
}


def _arithmetic(match: Match) -> str:
    parts = re.findall(rf"{NUMBER}|[-+*×xX/÷=−–?？]", match[0])
    return "".join(_SIGNS.get(part) or number(part) for part in parts)


def _ratio(match: Match) -> str:
    return "比".join(number(part) for part in re.split(r"\s?[:：]\s?", match[0]))


def _between(match: Match) -> str:
    """3-5天, 3-1 战胜: 到 or 比."""
    first, second = match[1], match[2]
    one, two = (float(part.replace(",", "")) for part in (first, second))
    if around(match, SCORES, 14) and not after(match, MEASURE) and "." not in match[0]:
        return f"{number(first)}比{number(second)}"
    if two <= one:
        raise InDoubt
    if _BRACKETED.search(match.string[match.start() - 1 : match.end() + 1]) and len(first) == len(second) == 4:
        return f"{digits(first)}到{digits(second)}"
    if len(first) == 4 and len(second) == 4 and not after(match, MEASURE) and 1000 < one < 2100 > two:
        raise InDoubt
    counted = after(match, MEASURE)
    return f"{quantity(first) if counted else number(first)}到{quantity(second) if counted else number(second)}"


def _about(match: Match) -> str | None:
    """2、3个: 两三个."""
    first, second = int(match[1]), int(match[2])
    if second != first + 1 or not after(match, MEASURE):
        return None
    return counted(first) + cardinal(second)


def _fraction(match: Match) -> str:
    top, bottom = int(match[2]), int(match[3])
    rated = around(match, _RATED, 10) and bottom in (5, 10, 100)
    if bottom == 0 or top >= bottom or rated or bottom > 1000 or before(match, _DATED, 4):
        raise InDoubt
    alone = not around(match, re.compile("[0-9]/[0-9]"))
    if alone and gcd(top, bottom) > 1 and top <= 12 and bottom <= 31 and not after(match, _PART_OF):
        raise InDoubt  # 10/20 is the twentieth of October too
    whole = f"{cardinal(int(match[1]))}又" if match[1] else ""
    return f"{whole}{cardinal(bottom)}分之{cardinal(top)}"


def _vulgar(match: Match) -> str:
    return (f"{cardinal(int(match[1]))}又" if match[1] else "") + VULGAR[match[2]]


def _dimensions(match: Match) -> str:
    return "乘".join(number(part) for part in re.findall(NUMBER, match[0]))


def _plus(match: Match) -> str:
    """50+, 10万+: 多 before what is counted; else 以上."""
    scale = match[2] or ""
    return f"{quantity(match[1]) if scale else number(match[1])}{scale}" + ("多" if after(match, MEASURE) else "以上")


def _compared(match: Match) -> str:
    words = {
        ">": "大于", "<": "小于", "≥": "大于等于", "≤": "小于等于", "~": "约", "≈": "约", "±": "正负",
        "＞": "大于", "＜": "小于",
    }  # fmt: skip
    return words[match[1]] + (quantity(match[2]) if after(match, MEASURE) else number(match[2]))


def _dash(match: Match) -> str:
    """Between two forms that are read: 到, in a sum 减."""
    return "减" if around(match, re.compile(r"[=+×÷]"), 12) else "到"


RULES = (
    Rule("arithmetic", _EQUATION, _arithmetic),
    Rule("arithmetic", re.compile(rf"{EDGE}{NUMBER}(?:(?:[+÷]|\s[+÷]\s){NUMBER})+{DONE}"), _arithmetic),
    Rule("ratio", re.compile(EDGE + rf"{NUMBER}(?:\s?[:：]\s?{NUMBER})+(?![0-9:：%])"), _ratio),
    Rule("fraction", re.compile(EDGE + r"(?:([0-9]{1,3})(?: |又))?([0-9]{1,3})/([0-9]{1,4})(?![0-9/])"), _fraction),
    Rule("fraction", re.compile("([0-9]{1,3})?([½⅓⅔¼¾⅕⅛])"), _vulgar, digits=False),
    Rule("range", re.compile(EDGE + r"([1-9])[,，、]([1-9])(?![0-9.])"), _about),
    Rule(
        "range", re.compile(rf"{EDGE}({NUMBER})\s?(?:[-–—~～−]{{1,2}})\s?({NUMBER})(?![0-9]|[-.~～/:][0-9])"), _between
    ),
    Rule("sign", re.compile(rf"{EDGE}{NUMBER}(?:\s?[x×*X]\s?{NUMBER})+{DONE}"), _dimensions),
    Rule("sign", re.compile(rf"{EDGE}({NUMBER})([万亿千百]?)\+(?![0-9A-Za-z+])"), _plus),
    Rule("sign", re.compile(rf"([><≥≤~≈±＞＜])\s?({NUMBER}){DONE}"), _compared),
)
SIGNS = (
    Rule("range", re.compile(rf"(?<={HIDDEN})\s?[-–—~～]{{1,2}}\s?(?={HIDDEN})"), _dash),
    Rule("arithmetic", re.compile(rf"\s?([×÷]|(?<![=!<>:+*/%-])=)\s?(?={HIDDEN})"), lambda match: _SIGNS[match[1]]),
    Rule("quotation", re.compile('"'), lambda match: "", digits=False),
    Rule("sign", re.compile(rf"(?<=[{_HAN}])\s?&\s?(?=[{_HAN}])"), lambda match: "和", digits=False),
)
