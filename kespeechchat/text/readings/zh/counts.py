"""What is left when the other kinds are read: ordinals and plain numbers."""

from __future__ import annotations

import re

from kespeechchat.text.readings.forms import InDoubt, Match, Rule, after, around, before
from kespeechchat.text.readings.numbers_zh import cardinal, digits, number, quantity
from kespeechchat.text.readings.tables_zh import PHONES
from kespeechchat.text.readings.zh.patterns import DONE, EDGE, MEASURE, NUMBER, WHOLE

_YEARLY = re.compile(r"\s?(?:世界杯|奥运|世博|亚运|高考|春晚|财年|赛季|版|款|级|届|年度)")
_OTHER_UNIT = re.compile(r"\s?(?:[\u4e00-\u9fff])")
_COMMA = re.compile(",")
_LATIN_WORD = re.compile(r"\s?[A-Za-z]{2}")


def _ordinal(match: Match) -> str:
    return "第" + cardinal(int(match[1].replace(",", "")))


def _number_sign(match: Match) -> str:
    return "第" + cardinal(int(match[1]))


def _plain(match: Match) -> str:
    written, minus = match["number"], "负" if match["minus"] else ""
    whole = written.replace(",", "").partition(".")[0]
    counts = after(match, MEASURE)
    if "," in written and around(match, _COMMA, 1):
        raise InDoubt  # three cells of a table
    if after(match, _LATIN_WORD):
        raise InDoubt  # 2 seconds
    if len(whole) > 1 and whole.startswith("0"):
        if "." in written:
            raise InDoubt
        return minus + digits(written)
    if written in PHONES and not counts and not after(match, _OTHER_UNIT):
        raise InDoubt
    if "," not in written and "." not in written and not counts:
        _refuse_bare(match, whole)
    return minus + (quantity(written) if counts else number(written))


def _refuse_bare(match: Match, whole: str) -> None:
    """Four digits that may be a year, five and more that may be a code."""
    round_number = whole.endswith("00")
    if len(whole) == 4 and 1900 <= int(whole) <= 2099 and not after(match, _YEARLY):
        raise InDoubt
    if len(whole) >= 5 and not round_number:
        raise InDoubt


def _event_year(match: Match) -> str | None:
    return digits(match[0]) if after(match, _YEARLY) and not before(match, re.compile("第$"), 1) else None


RULES = (
    Rule("ordinal", re.compile(rf"第\s?({WHOLE})(?![0-9]|[.:/][0-9])"), _ordinal),
    Rule("ordinal", re.compile(r"(?:No|NO|no)\.?\s?([0-9]{1,4})(?![0-9])"), _number_sign),
    Rule("year", re.compile(EDGE + r"(?:19|20)[0-9]{2}" + DONE), _event_year),
    Rule(
        "count",
        re.compile(
            rf"{EDGE}(?:(?<![0-9A-Za-z\u4e00-\u9fff)）\ue000])(?P<minus>[-−])|(?P<minus2>"
            rf"(?<=[是为])[-−]))?(?P<number>{NUMBER})(?![0-9]|[.,/:][0-9])"
        ),
        _plain,
    ),
)
