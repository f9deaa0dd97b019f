"""Money, percentages and units, each alone or as a range."""

from __future__ import annotations

import re

from kespeechchat.text.readings.forms import InDoubt, Match, Rule, around
from kespeechchat.text.readings.numbers_zh import digits, number, quantity
from kespeechchat.text.readings.tables_zh import CURRENCIES, RATES, UNITS
from kespeechchat.text.readings.zh.patterns import DASH, EDGE, NUMBER

_SIGN = "|".join(re.escape(sign) for sign in sorted(CURRENCIES, key=len, reverse=True))
_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_RATE = "|".join(re.escape(unit) for unit in sorted(RATES, key=len, reverse=True))
_MINUS = r"(?:(?<![0-9A-Za-z\u4e00-\u9fff)）%\ue000])(?P<minus>[-−])|(?<=[是为达到至约有温])(?P<minus2>[-−]))?"
_SCALE = r"(?P<scale>万亿|千万|百万|[万亿千百])?"
_YEN = re.compile(r"日本|日元|东京|円")
_SUM = re.compile(r"[(（)）×*]")
_WEB = re.compile(r"网络|手机|信号|移动|通信|时代")


def _minus(match: Match) -> bool:
    return bool(match["minus"] or match["minus2"])


def _money(match: Match) -> str:
    name = CURRENCIES[match["sign"]]
    if match["sign"] in "¥￥" and around(match, _YEN, 30):
        name = "日元"
    words = _amount(match["amount"])
    if match["to"]:
        words += "到" + _amount(match["to"])
    return words + (match["scale"] or "") + name


def _amount(written: str) -> str:
    """Money: the zeros behind the point are not said."""
    whole, point, decimals = written.partition(".")
    decimals = decimals.rstrip("0")
    return quantity(whole + point + decimals if decimals else whole)


def _percent(match: Match) -> str:
    if match["to"] and match["amount"] == "1" and "%" not in match[0][:-1] and around(match, _SUM, 1):
        raise InDoubt  # one less so many percent
    base = "千分之" if match["sign"] == "‰" else "百分之"
    words = base + ("百" if match["amount"] == "100" and base == "百分之" else number(match["amount"]))
    if match["to"]:
        words += "到" + base + ("百" if match["to"] == "100" and base == "百分之" else number(match["to"]))
    return ("负" if _minus(match) else "") + words


def _unit(match: Match) -> str | None:
    symbol, amount = match["unit"], match["amount"]
    if symbol == "g" and around(match, _WEB, 12):
        raise InDoubt
    degrees = symbol in ("℃", "°C", "℉", "°F")
    words = quantity(amount)
    if match["to"]:
        words += "到" + quantity(match["to"])
    minus = ("零下" if degrees else "负") if _minus(match) else ""
    return minus + words + (match["scale"] or "") + UNITS[symbol]


def _rate(match: Match) -> str:
    per, unit = RATES[match["unit"]]
    words = quantity(match["amount"])
    if match["to"]:
        words += "到" + quantity(match["to"])
    return per + words + unit


def _angle(match: Match) -> str:
    seconds = f"{number(match[3])}秒" if match[3] else ""
    return f"{number(match[1])}度{number(match[2])}分{seconds}"


def _height(match: Match) -> str:
    """1m75: 一米七五."""
    return f"{quantity(match[1])}米{digits(match[2])}"


def _below_zero(match: Match) -> str:
    words = quantity(match["amount"])
    if match["to"]:
        words += "到" + quantity(match["to"])
    return "零下" + words


_AMOUNT = rf"(?P<amount>{NUMBER})"
RULES = (
    Rule(
        "money",
        re.compile(
            rf"(?<![A-Za-z])(?P<sign>{_SIGN})\s?{_AMOUNT}(?:{DASH}(?:[$￥¥€£])?"
            rf"(?P<to>{NUMBER}))?{_SCALE}(?:元|美元|欧元)?"
        ),
        _money,
    ),
    Rule(
        "money",
        re.compile(rf"{EDGE}{_AMOUNT}(?:{DASH}(?P<to>{NUMBER}))?{_SCALE}\s?(?P<sign>{_SIGN})(?![A-Za-z])"),
        _money,
    ),
    Rule(
        "percent",
        re.compile(
            rf"{_MINUS}(?<![0-9.,/:：])(?<![0-9]-){_AMOUNT}\s?(?:[%‰]?{DASH}(?P<to>{NUMBER}))?\s?(?P<sign>[%‰])"
        ),
        _percent,
    ),
    Rule("unit", re.compile(rf"{EDGE}{_AMOUNT}(?:{DASH}(?P<to>{NUMBER}))?\s?(?P<unit>{_RATE})(?![A-Za-z0-9])"), _rate),
    Rule(
        "unit",
        re.compile(
            rf"{_MINUS}{EDGE}{_AMOUNT}(?:\s?(?:{_UNIT})?{DASH}(?P<to>{NUMBER}))?{_SCALE}\s?"
            rf"(?P<unit>{_UNIT})(?![A-Za-z0-9/²³])"
        ),
        _unit,
    ),
    Rule("unit", re.compile(EDGE + r"([0-9]{1,3})°([0-9]{1,2})[′'](?:([0-9]{1,2})[″\"])?"), _angle),
    Rule("unit", re.compile(EDGE + r"([1-9])(?:[mM]|米(?=[0-9]{2}))([0-9]{1,2})(?![0-9A-Za-z.]|厘|公分)"), _height),
    Rule(
        "unit",
        re.compile(rf"(?<![0-9A-Za-z%\ue000])[-−]{_AMOUNT}(?:{DASH}(?P<to>{NUMBER}))?(?=\s?(?:度|摄氏度|华氏度))"),
        _below_zero,
    ),
)
