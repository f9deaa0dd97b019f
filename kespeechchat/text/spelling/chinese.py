"""Chinese: a text → its segments, each with its readings in simplified characters and lower-case Latin words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kespeechchat.text.spelling.chinese_numbers import cardinal, counted, number, one_by_one, quantity, short
from kespeechchat.text.spelling.scanner import Readings, Scanner, rule, unique

_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?)"
_UNITS: dict[str, Readings] = {
    "kg": ("公斤", "千克"),
    "g": ("克",),
    "mg": ("毫克",),
    "t": ("吨",),
    "km": ("公里", "千米"),
    "m": ("米",),
    "cm": ("厘米", "公分"),
    "mm": ("毫米",),
    "nm": ("纳米",),
    "l": ("升",),
    "L": ("升",),
    "ml": ("毫升",),
    "mL": ("毫升",),
    "m2": ("平方米", "平米", "平方"),
    "km2": ("平方公里", "平方千米"),
    "m3": ("立方米", "立方"),
    "h": ("小时",),
    "min": ("分钟", "分"),
    "s": ("秒", "秒钟"),
    "ms": ("毫秒",),
    "W": ("瓦",),
    "kW": ("千瓦",),
    "kWh": ("千瓦时", "度"),
    "V": ("伏",),
    "Hz": ("赫兹",),
    "°C": ("摄氏度", "度"),
    "°F": ("华氏度",),
    "°": ("度",),
    "km/h": ("公里每小时", "千米每小时"),
    "m/s": ("米每秒",),
    "mph": ("英里每小时",),
}
_UNIT = "|".join(re.escape(u) for u in sorted(_UNITS, key=len, reverse=True))
_COUNTED = re.compile(r"(?![了吧呢吗啊的])[\u3400-\u9fff]")  # 120个 is not 一百二个
_YUAN = ("元", "块", "块钱")
_CURRENCIES: dict[str, Readings] = {
    "¥": _YUAN,
    "$": ("美元", "美金"),
    "€": ("欧元",),
    "£": ("英镑",),
}
# What a digit does not say is spoken: these characters stand for each other wherever they are numbers.
_ONE_WORDING = str.maketrans("两幺〇妳", "二一零你")
# t2s keeps 著 (in 著名 it is right); a Chinese-script recognizer in Taiwan's spelling means 着 by it elsewhere.
_PARTICLE = re.compile(r"(?<![显卓土原名专巨论编合译拙])著(?![名作称述者书录重])")


@rule(r"(?<![\w.])([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})(?![0-9.])")
def _iso_date(found: re.Match[str]) -> Sequence[Readings] | None:
    month, day = int(found[2]), int(found[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    date = f"{cardinal(month)}月{cardinal(day)}"
    return [unique([one_by_one(found[1]), cardinal(int(found[1]))]), (f"年{date}日", f"年{date}号")]


@rule(r"(?<![0-9.])((?:[0-9]{2}){1,2})(?=年代|后(?!面)|年)")
def _year(found: re.Match[str]) -> Sequence[Readings] | None:
    digits, cardinals = one_by_one(found[1]), quantity(found[1])
    return [unique([digits, *cardinals] if len(found[1]) == 4 else [*cardinals, digits])]


@rule(r"(?<=月)([0-9]{1,2})([日号])")
def _day(found: re.Match[str]) -> Sequence[Readings] | None:
    other = "号" if found[2] == "日" else "日"
    return [(cardinal(int(found[1])),), (found[2], other)]


@rule(r"(?<![0-9.:])([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?![0-9:])")
def _clock(found: re.Match[str]) -> Sequence[Readings] | None:
    hour, minute = int(found[1]), int(found[2])
    if found[3]:
        return [(f"{cardinal(hour)}点{_two(found[2])}分{_two(found[3])}秒",)]
    spoken = _time(hour, minute) if hour <= 24 and minute < 60 else []
    if found[2][0] != "0" or not spoken:  # nobody writes a ratio as 1:05
        spoken.append(f"{cardinal(hour)}比{cardinal(minute)}")
    return [tuple(spoken)]


@rule(r"(?<![0-9.:])([0-9]{1,2})点([0-9]{1,2})分?(?![0-9.])")
def _clock_in_words(found: re.Match[str]) -> Sequence[Readings] | None:
    hour, minute = int(found[1]), int(found[2])
    if hour > 24 or minute > 59:
        return None
    as_written = [f"{cardinal(hour)}点{cardinal(minute)}"] if found[0][-1] != "分" else []
    return [unique([*_time(hour, minute), *as_written])]


@rule(r"(?<![0-9.:])([0-9]{1,2})\.([0-5][0-9])分(?!之)")
def _clock_with_dot(found: re.Match[str]) -> Sequence[Readings] | None:
    """A recognizer's 3.15分 is a time more often than a decimal number."""
    hour = int(found[1])
    decimal = f"{cardinal(hour)}点{one_by_one(found[2])}分"
    return [unique([*_time(hour, int(found[2])), decimal])] if hour <= 24 else None


@rule(r"(?<![0-9.:])[0-9]{1,3}:[0-9]{1,3}(?![0-9:])")
def _ratio(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("比".join(cardinal(int(part)) for part in found[0].split(":")),)]


def _two(digits: str) -> str:
    return ("零" if digits[0] == "0" else "") + cardinal(int(digits))


def _time(hour: int, minute: int) -> list[str]:
    at, spoken = f"{cardinal(hour)}点", cardinal(minute)
    if minute == 0:
        return [at, f"{at}整", f"{at}钟", f"{at}零分"]
    if minute < 10:
        return [f"{at}零{spoken}分", f"{at}零{spoken}", f"{at}{spoken}分", f"{at}过{spoken}分"]
    exact = [f"{at}{spoken}分", f"{at}{spoken}"]
    if minute == 45:
        before = [f"差一刻{cardinal(hour % 12 + 1)}点"] if 0 < hour <= 12 else []
        return [*exact, f"{at}三刻", *before]
    return exact + {15: [f"{at}一刻"], 30: [f"{at}半"]}.get(minute, [])


@rule(rf"((?<![0-9%])-)?({_NUMBER})(?:%?([-~到至])({_NUMBER}))?%")
def _percent(found: re.Match[str]) -> Sequence[Readings] | None:
    sign, first, between, second = found.groups()
    minus: list[Readings] = [("负",)] if sign else []
    if second:
        words = between if between in "到至" else "到至减"
        both = [(a, b) for a in quantity(first) for b in quantity(second)]
        spoken = [f"百分之{a}{to}{p}{b}" for a, b in both for to in words for p in ("百分之", "")]
        bare = [] if "%" in found[0][:-1] else [f"{a}{to}百分之{b}" for a, b in both for to in words]
        return [*minus, unique([*spoken, *bare])]
    return [*minus, ("百分之",), quantity(first)]


@rule(rf"([¥$€£]) ?({_NUMBER})([万亿]?)")
def _sign_money(found: re.Match[str]) -> Sequence[Readings] | None:
    sign, amount, scale = found.groups()
    if scale:
        return [counted(amount, scale), _CURRENCIES[sign]]
    return _money(amount, _CURRENCIES[sign])


@rule(rf"(?<![0-9.])({_NUMBER})(元|块钱|块(?![0-9]))")
def _yuan(found: re.Match[str]) -> Sequence[Readings] | None:
    return _money(found[1], _YUAN if found[2] == "元" else (found[2],))


def _money(amount: str, names: Readings) -> list[Readings]:
    whole, _, part = amount.partition(".")
    part = part.rstrip("0")
    if names[0] not in ("元", "块", "块钱") or len(part) > 2 or not part:
        return [unique([*quantity(f"{whole}.{part}".rstrip(".")), *quantity(amount)]), names]
    count, tenth, hundredth = cardinal(int(whole.replace(",", ""))), one_by_one(part[0]), one_by_one(part[1:])
    plain = [
        f"{r}{name}"
        for written in dict.fromkeys((f"{whole}.{part}", amount))
        for r in quantity(written)
        for name in names
    ]
    if hundredth:
        jiao = "零" if tenth == "零" else f"{tenth}角"
        return [
            unique(
                [
                    *plain,
                    f"{count}元{jiao}{hundredth}分",
                    f"{count}块{jiao.replace('角', '毛')}{hundredth}",
                    f"{count}块{tenth}{hundredth}",
                ]
            )
        ]
    spoken = [f"{count}块{tenth}{end}" for end in ("", "毛", "毛钱")]
    return [unique([*plain, *spoken, f"{count}元{tenth}角"])]


@rule(
    rf"({_NUMBER})(元|块|米|千米|公里|升|克|公斤)/([个只本副双套把箱袋斤件张台瓶辆棵人天月年秒次米升]|小时|分钟|公斤|千克|平方米)"
)
def _rate(found: re.Match[str]) -> Sequence[Readings] | None:
    """9元/副, said in either order."""
    each, readings = found[3], quantity(found[1])
    units = _YUAN if found[2] == "元" else (found[2],)
    counts = [f"{count}{name}" for name in units for count in readings]
    return [tuple(r for c in counts for r in (f"{c}每{each}", f"每{each}{c}", f"{c}一{each}", f"{c}{each}"))]


@rule(rf"({_NUMBER})([万亿])")
def _large(found: re.Match[str]) -> Sequence[Readings] | None:
    return [counted(found[1], found[2])]


@rule(r"(?<![0-9-])(?:0[0-9]{2,3}-[0-9]{7,8}|1[0-9]{2}-[0-9]{4}-[0-9]{4}|[0-9]{3}-[0-9]{4})(?![0-9-])")
def _telephone(found: re.Match[str]) -> Sequence[Readings] | None:
    parts = [one_by_one(part) for part in found[0].split("-")]
    return [("".join(parts), "杠".join(parts))]


@rule(r"(?<![0-9./])([0-9]{1,3})/([0-9]{1,3})(?![0-9/])")
def _fraction(found: re.Match[str]) -> Sequence[Readings] | None:
    over, under = cardinal(int(found[1])), cardinal(int(found[2]))
    return [(f"{under}分之{over}",)]


@rule(r"(?<=[0-9%度月日号年点元块米斤万])(?:[-~]| [-~] )(?=[0-9])")
def _range(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("到", "至", "比", "减", "杠")]


@rule(r"(?<![A-Za-z0-9])-(?=[0-9])")
def _minus(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("负", "零下")]


@rule(r"[0-9]+(?:\.[0-9]+){2,}")
def _dotted_numbers(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("点".join(one_by_one(part) for part in found[0].split(".")),)]


@rule(rf"({_NUMBER})(?: ?({_UNIT})(?![A-Za-z0-9/]))?")
def _number(found: re.Match[str]) -> Sequence[Readings] | None:
    written, of = found.groups()
    if of:
        return [quantity(written), _UNITS[of]]
    return [number(written) if _COUNTED.match(found.string, found.end()) else (*number(written), *short(written))]


@rule(
    r"(?:(?<=[会玩味劲馅事活花圈词样边声伴慢])|(?<=[一有差这那]点)|(?<=[一几]块)|(?<=聊天)|(?<=[小女男]孩)|(?<=老头)|(?<=有空)|(?<=好好))"
    r"儿(?![子童女科歌媳孙])"
)
def _retroflex(found: re.Match[str]) -> Sequence[Readings] | None:
    return [("儿", "")]


@rule(r"(?<![A-Za-z])[A-Z]{2,5}(?![A-Za-z])")
def _letters(found: re.Match[str]) -> Sequence[Readings] | None:
    return [(found[0].lower(), " ".join(found[0].lower()))]


_SIGNS: dict[str, Readings] = {
    "+": ("加",),
    "=": ("等于",),
    "×": ("乘", "乘以"),
    "÷": ("除以", "除"),
    "&": ("和",),
    "°": ("度",),
    "%": ("百分号",),
}


@rule("[" + "".join(_SIGNS) + "]")
def _sign(found: re.Match[str]) -> Sequence[Readings] | None:
    return [_SIGNS[found[0]]]


_FORMS = Scanner(
    [
        _iso_date,
        _year,
        _day,
        _clock,
        _clock_in_words,
        _clock_with_dot,
        _ratio,
        _percent,
        _sign_money,
        _rate,
        _yuan,
        _large,
        _telephone,
        _fraction,
        _range,
        _minus,
        _dotted_numbers,
        _number,
        _retroflex,
        _letters,
        _sign,
    ]
)
_WRITTEN = re.compile(r"[0-9$£€¥%&+=°×÷儿]|[A-Z]{2}")


def chinese(text: str) -> list[Readings]:
    """Segments of `text`, which is NFKC and in simplified characters. Plain segments keep their punctuation.

    >>> chinese("这袋米重5kg")
    [('这袋米重',), ('五',), ('公斤', '千克')]
    """
    text = _PARTICLE.sub("着", text).translate(_ONE_WORDING)
    pieces = _FORMS.split(text) if _WRITTEN.search(text) else [text]
    return [(piece,) if isinstance(piece, str) else piece for piece in pieces]
