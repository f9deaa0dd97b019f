"""Dates, clock times, years and decades."""

from __future__ import annotations

import re

from kespeechchat.text.readings.forms import InDoubt, Match, Rule, after, around, before
from kespeechchat.text.readings.numbers_zh import DIGITS, cardinal, counted, digits
from kespeechchat.text.readings.zh.patterns import DASH, EDGE, RATIOS, SCORES

_TIMES = re.compile(
    r"上午|下午|早上|早晨|晚上|中午|凌晨|清晨|傍晚|半夜|夜里|夜晚|今天|明天|昨天|今晚|"
    r"周[一二三四五六日天]|星期|时间|点钟|开会|"
    r"会议|开始|结束|起床|睡觉|上班|下班|出发|到达|抵达|发车|起飞|闹钟|早餐|午餐|晚餐|"
    r"上课|下课|打卡|迟到|现在|此刻|营业|开门|关门|航班|列车|日$|号$"
)
_THEN_A_TIME = re.compile(
    r"\s?(?:[-–—~～至到]\s?[0-9]|开|起|出发|的?(?:火车|飞机|航班|高铁|会议)|准时|左右|之前|以前|前|后|分)"
)
_FROM_A_TIME = re.compile(r"(?:\ue000|[0-9]:[0-9]{2})\s?[-–—~～至到]\s?$")
_LONG = re.compile(r"(?:多年|年)(?:的?(?:历史|时间|时光|岁月|以来|之久|间)|里)")
_THE_YEAR = re.compile(
    r"年(?:[0-9]{1,2}月|\ue000|初|底|末|中|出生|毕业|生|春|夏|秋|冬|世界杯|奥运|世博|亚运|版|度|级|代)"
)


def _year(written: str) -> str:
    return digits(written)


def _date(match: Match) -> str:
    y, month, day = match["year"], match["month"], match["day"]
    words = f"{_year(y)}年" if y else ""
    words += f"{cardinal(int(month))}月"
    return words + (f"{cardinal(int(day))}{match['mark']}" if day else "")


def _numeric_date(match: Match) -> str | None:
    y, month, day = match[1], int(match[3]), int(match[4])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"{_year(y)}年{cardinal(month)}月{cardinal(day)}日"


def _years(match: Match) -> str:
    return f"{_year(match[1])}{'年' if match[2] else ''}到{_year(match[3])}{match[4]}"


def _four_digit_year(match: Match) -> str:
    """2008年. A round thousand may be a length of time."""
    written = match[1]
    value = int(written)
    if after(match, _LONG) and value % 100 == 0:
        return f"{counted(value)}"
    if value % 1000 == 0:
        if value != 2000:
            return counted(value)
        if after(match, re.compile(r"年(?:前|以前|之前|后|以后|之后|来)")):
            raise InDoubt
    return _year(written)


def _two_digit_year(match: Match) -> str | None:
    """08年, 98年5月; 98年 alone may be a length of time."""
    written = match[1]
    if written.startswith("0") or after(match, _THE_YEAR):
        if written.startswith("0") or int(written) >= 50:
            return digits(written)
        return None
    if int(written) >= 70 and before(match, re.compile(r"(?:在|从|自|于|^|，|。)$"), 1) and not after(match, _LONG):
        raise InDoubt
    return None


def _clock(match: Match) -> str | None:
    """10:30: a time, a ratio (一比十) or a score (二十一比十九); the sentence says which."""
    first, second = int(match[1]), int(match[2])
    if around(match, RATIOS, 14) or around(match, SCORES, 14):
        return None
    may_be_time = first <= 24 and second < 60 and len(match[2]) == 2
    if not may_be_time:
        return None
    timed = before(match, _TIMES, 24) or after(match, _THEN_A_TIME) or before(match, _FROM_A_TIME)
    if timed or match[1].startswith("0"):
        return _time_words(first, second)
    raise InDoubt


def _time_words(hour: int, minute: int) -> str:
    words = f"{counted(hour)}点"
    if minute:
        words += f"{DIGITS[0] if minute < 10 else ''}{cardinal(minute)}分"
    return words


def _exact(match: Match) -> str | None:
    hour, minute, second = (int(match[n]) for n in (1, 2, 3))
    if hour > 24 or minute > 59 or second > 59 or around(match, RATIOS, 14):
        return None
    return f"{counted(hour)}点{_two(minute)}分{_two(second)}秒"


def _two(value: int) -> str:
    return f"{DIGITS[0] if 0 < value < 10 else ''}{cardinal(value)}"


def _spelled_clock(match: Match) -> str:
    """2点05分, 12时30分."""
    return f"{counted(int(match[1]))}{match[2]}{_two(int(match[3]))}{match[4]}"


def _decade(match: Match) -> str:
    return (_year(match[1]) if len(match[1]) == 4 else cardinal(int(match[1]))) + "年代"


_CLOCK_EDGE = r"(?<![0-9$€£¥￥A-Za-z])(?<![0-9][.,/:：])"
_MONTH = r"(?P<month>0?[1-9]|1[0-2])\s?月"
DATES = (
    Rule(
        "date",
        re.compile(
            rf"{EDGE}(?:(?P<year>[0-9]{{4}}|[0-9]{{2}})\s?年\s?)?{_MONTH}(?!份|的?时间)(?:\s?"
            rf"(?P<day>[0-3]?[0-9])\s?(?P<mark>日|号))?"
        ),
        _date,
    ),
    Rule("date", re.compile(EDGE + r"([0-9]{4})([-/.])(0?[1-9]|1[0-2])\2([0-3]?[0-9])(?![0-9])"), _numeric_date),
)
RULES = (
    Rule("year", re.compile(rf"{EDGE}([0-9]{{4}})(年?){DASH}([0-9]{{4}})(年(?!代)|(?=赛季|学年|财年))"), _years),
    Rule("decade", re.compile(EDGE + r"([0-9]{4}|[1-9]0)年代"), _decade),
    Rule("year", re.compile(EDGE + r"([12][0-9]{3})(?=\s?年(?!薪))"), _four_digit_year),
    Rule("year", re.compile(EDGE + r"([0-9]{2})(?=年)"), _two_digit_year),
    Rule("clock", re.compile(EDGE + r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?![0-9:])"), _exact),
    Rule("clock", re.compile(_CLOCK_EDGE + r"([0-9]{1,2})\s?[:：]\s?([0-9]{2})(?![0-9:：])"), _clock),
    Rule("clock", re.compile(EDGE + r"([0-9]{1,2})\s?(点|时)\s?([0-9]{1,2})\s?(分)"), _spelled_clock),
)
