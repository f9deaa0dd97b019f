"""Numbers that name: telephones, codes, rooms, lines, models, idioms; and Latin letters with numbers."""

from __future__ import annotations

import re

from kespeechchat.text.readings.forms import InDoubt, Match, Rule, after, around, before
from kespeechchat.text.readings.numbers_zh import cardinal, digits, number
from kespeechchat.text.readings.tables_zh import PHONES
from kespeechchat.text.readings.zh.patterns import DONE, EDGE, MEASURE

IDIOMS = {
    "996": "九九六", "007": "零零七", "985": "九八五", "211": "二一一", "618": "六一八", "双11": "双十一",
    "双12": "双十二", "双十1": "双十一", "9·11": "九一一", "9.11": "九一一", "911": "九一一", "3·15": "三一五",
    "3.15": "三一五", "315": "三一五", "12·12": "双十二", "5·1": "五一", "520": "五二零", "404": "四零四",
    "747": "七四七", "737": "七三七", "777": "七七七", "80/20": "八零二零", "5.1": "五一", "10.1": "十一",
}  # fmt: skip
# an idiom only beside these words; the others are idioms wherever they stand
_IDIOM_WORDS = {
    "996": "工作|加班|制|公司|上班|员工", "007": "工作|加班|电影|特工|邦德|系列", "985": "211|高校|大学|院校|工程|毕业",
    "211": "985|高校|大学|院校|工程|毕业", "618": "购物|电商|大促|促销|京东|天猫|双11|活动",
    "9.11": "事件|恐怖|袭击", "911": "事件|恐怖|袭击|报警|保时捷|拨打", "3.15": "晚会|消费者", "315": "晚会|消费者",
    "520": "表白|情人|爱|礼物", "404": "错误|页面|网页|找不到",
    "747": "波音|客机", "737": "波音|客机", "777": "波音|客机",
    "80/20": "法则|原则|定律", "5.1": "劳动节|假期|黄金周", "10.1": "国庆|假期|黄金周",
}  # fmt: skip
_IDIOM = re.compile(EDGE + "(?:" + "|".join(re.escape(i) for i in sorted(IDIOMS, key=len, reverse=True)) + ")" + DONE)

_CALL = re.compile(r"电话|手机|拨打|拨|致电|热线|号码|联系|客服|报警|急救|火警|短信|传真|官网|铁路|打$")
_CODE = re.compile(
    r"(?:号码?|密码|验证码|邮编|编号|编码|卡号|学号|工号|车牌|代码|账号|帐号|QQ|ID|代号|"
    r"证号|型号|单号)(?:是|为|[:：])?\s*$"
)
_ROOM = re.compile(
    r"(?:号?房间?|室|教室|病房|宿舍|次列车|次航班|次高铁|次动车|国道|省道|路公交|路车|路公共汽车|路电车)"
)


def _idiom(match: Match) -> str | None:
    words = _IDIOM_WORDS.get(match[0])
    if words and not around(match, re.compile(words), 12):
        if match[0] in ("996", "985", "211", "911") and not after(match, MEASURE):
            raise InDoubt
        return None
    if match[0] in ("985", "211", "520", "404") and after(match, MEASURE):
        return None
    return IDIOMS[match[0]]


def _around_the_clock(match: Match) -> str:
    hours = "小时" if match[0].endswith("小时") else ""
    return f"七乘二十四{hours}" if match[0].startswith(("7×", "7x", "7*")) else "二十四小时全天候"


def _mobile(match: Match) -> str:
    return digits(match[1], one="幺")


def _landline(match: Match) -> str | None:
    groups = re.findall("[0-9]+", match[0])
    sure = groups[0] in ("400", "800") or (groups[0].startswith("0") and len(groups[-1]) >= 7)
    if sure or before(match, _CALL, 12):
        return "，".join(digits(group, one="幺") for group in groups)
    return None


def _service(match: Match) -> str | None:
    """110, 10086 …: a telephone where the sentence speaks of one; else in doubt where nothing is counted."""
    if around(match, _CALL, 8):
        return digits(match[0], one="幺")
    return None


def _code(match: Match) -> str | None:
    if not before(match, _CODE, 8) or after(match, MEASURE):
        return None
    return (digits(match[0], one="幺") if before(match, _CALL, 8) else digits(match[0])) if len(match[0]) > 2 else None


def _room(match: Match) -> str:
    return digits(match[1], one="幺")


def _line(match: Match) -> str:
    """G102次, G318国道: a letter and the number of a train or a road."""
    return match[1].upper() + digits(match[2], one="幺")


def _model(match: Match) -> str:
    """Letters and a number: A4, MP3, COVID-19, GPT-4, Windows10. Three digits and more are read one by one."""
    letters, written, tail = match[1].rstrip("- "), match[2], match[3]
    if "." in written:
        words = number(written)
    elif len(written) > 2 or written.startswith("0"):
        if len(written) > 4:
            raise InDoubt
        words = digits(written)
    else:
        words = cardinal(int(written))
    letters = letters.upper() if len(letters) <= 3 and letters.islower() else letters
    return f"{letters}{words}{tail.upper()}"


def _formula(match: Match) -> str:
    return re.sub("[0-9]+", lambda m: cardinal(int(m[0])), match[0])


def _lettered(match: Match) -> str | None:
    """5G, 3D, 4K, 4S店, 1080P: a number and a letter that is spelled."""
    written, letters = match[1], match[2]
    if letters in "kK" and written not in ("4", "8", "2"):
        return None
    if letters.isupper() or letters in ("p", "k", "d"):
        words = digits(written) if letters in "pP" and len(written) > 2 else cardinal(int(written))
        return words + letters.upper()
    return None


def _generation(match: Match) -> str:
    return digits(match[1]) + match[2]


def _version(match: Match) -> str:
    first, *rest = match[2].split(".")
    return match[1].replace("v", "V") + "点".join([cardinal(int(first)), *(digits(part) for part in rest)])


def _versus(match: Match) -> str:
    return "对"


SPECIAL = (
    Rule("idiom", re.compile(EDGE + r"(?:24/7|7[×x*]24|24[×x*]7)" + r"(?:小时)?(?![0-9])"), _around_the_clock),
    Rule("idiom", _IDIOM, _idiom),
    Rule("telephone", re.compile(r"(?<![0-9.])(?:\+?86[- ]?)?(1[3-9][0-9](?:[- ]?[0-9]{4}){2})(?![0-9])"), _mobile),
    Rule(
        "telephone",
        re.compile(
            EDGE
            + r"(?:400|800|0[0-9]{2,3})[- ]?[0-9]{3,4}[- ]?[0-9]{3,4}(?![0-9])|"
            + EDGE
            + r"[0-9]{3,4}-[0-9]{4}(?![0-9])|(?<=电话)[0-9]{7,8}(?![0-9])"
        ),
        _landline,
    ),
    Rule("telephone", re.compile(EDGE + "(?:" + "|".join(PHONES) + ")" + DONE), _service),
    Rule("code", re.compile(EDGE + r"[0-9]{3,20}" + DONE), _code),
    Rule(
        "address", re.compile(r"(?<![0-9A-Za-z.])([A-Z])([0-9]{1,4})(?=次|国道|高速|号?线|航班|列车|高铁|动车)"), _line
    ),
    Rule("address", re.compile(EDGE + r"([0-9]{3,4})(?=" + _ROOM.pattern + ")"), _room),
    Rule("decade", re.compile(EDGE + r"([5-9][05]|0[05])(后)(?![天来的面续小两几半退果边]|[0-9])"), _generation),
)
RULES = (
    Rule(
        "version",
        re.compile(
            r"((?:版本号?|[vV]|[A-Za-z]+ ?)(?:为|是)?)([0-9]+(?:\.[0-9]+){1,3})(?![0-9.]|%)(?=版|$|[^0-9A-Za-z])"
        ),
        _version,
    ),
    Rule("version", re.compile(EDGE + r"()([0-9]+(?:\.[0-9]+){1,3})(?=\s?版)"), _version),
    Rule("latin", re.compile(r"(?<![\w.])(?:[A-Z]{1,3}[0-9]{1,2}){2,4}[A-Z]{0,2}(?![\w.])", re.A), _formula),
    Rule(
        "latin",
        re.compile(
            r"(?<![\w.\-])([A-Z][A-Za-z]*(?:[- ](?=[0-9]))?|[A-Za-z]*[A-Z][A-Za-z]* ?|[a-z]{2,})"
            r"([0-9]{1,6})([A-Za-z]?)(?![0-9A-Za-z/:%]|[.\-][0-9])",
            re.A,
        ),
        _model,
    ),
    Rule("latin", re.compile(EDGE + r"([0-9]{1,4})([A-Za-z]{1,4})(?![A-Za-z0-9/²³])", re.A), _lettered),
    Rule("sign", re.compile(r"(?<![A-Za-z])(?:VS|vs|Vs)\.?(?![A-Za-z])"), _versus, digits=False),
)
