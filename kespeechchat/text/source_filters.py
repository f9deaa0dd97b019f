"""Which source instructions are taken at all (arXiv 2412.01078, section 3.1), and in which language they are.

Translation, code and role-play are refused: by the source's own task label where it has one, and by readable rules on
the text. The rules name forms of asking ("translate this into …"), not topics, so a question *about* translating,
programming or acting stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kespeechchat.records import Language

TASK_LABELS = {
    "translation": "task_translation",
    "translate": "task_translation",
    "翻译": "task_translation",
    "code": "task_code",
    "coding": "task_code",
    "programming": "task_code",
    "代码": "task_code",
    "role play": "task_role_play",
    "role playing": "task_role_play",
    "roleplay": "task_role_play",
    "角色扮演": "task_role_play",
}

_TONGUES_ZH = "中|英|法|德|日|韩|俄|汉|西班牙|葡萄牙|意大利|阿拉伯"
_TONGUES_EN = (
    "english|chinese|mandarin|french|german|spanish|italian|japanese|korean|russian|portuguese|arabic|latin|hindi|dutch"
)
_LANGUAGES_OF_CODE = r"python|java|javascript|typescript|c\+\+|c#|sql|mysql|html|css|php|golang|bash|matlab|latex|json"
_NOT_CODE = r"(?<!dress )(?<!area )(?<!zip )(?<!postal )(?<!building )(?<!morse )(?<!penal )(?<!promo )"

_CONTENT: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "task_translation",
        re.compile(
            rf"翻译(?:成|为|到|下|以下|下列|这[句段篇些首封份]|一下|文本|给定|如下|上)|(?:译成|译为)(?:{_TONGUES_ZH})|"
            rf"(?:{_TONGUES_ZH})[文语]?翻译[:：。]|(?:给出|提供|进行|做).{{0,8}}翻译|^翻译(?![家官员机的是这行工软和与专硕])|的翻译[:：。]?$|"
            rf"(?:用|在)(?:{_TONGUES_ZH})[文语]里?(?:怎么|如何)(?:说|讲|表达|写)|"
            rf"^(?:please |can you |could you )?translate\b|\btranslate (?:the|this|these|following|it|each|between)\b|"
            rf"\btranslat\w+ .{{0,60}}\b(?:in)?to (?:{_TONGUES_EN})\b|"
            rf"\bhow (?:do|would|can|to) (?:you |i |we |one )?say\b.{{1,60}}\bin (?:{_TONGUES_EN})\b",
            re.I,
        ),
    ),
    (
        "task_code",
        re.compile(
            rf"```|在(?:{_LANGUAGES_OF_CODE})[中里]|"
            rf"(?:写|实现|定义|给出|生成|创建|设计|使用|用).{{0,20}}(?<![A-Za-z])(?:{_LANGUAGES_OF_CODE})(?![A-Za-z])|"
            rf"(?<![A-Za-z])(?:{_LANGUAGES_OF_CODE})(?![A-Za-z]).{{0,16}}(?:代码|程序|函数|脚本|语句|查询|中如何|如何|实现|判断)|"
            rf"(?:写|编写|实现|定义|编程).{{0,20}}(?:函数|代码|程序|脚本|算法|正则)|正则表达式|"
            rf"(?:以下|下面|下列|这段|给定|上述|这个).{{0,8}}(?:代码|脚本)|代码(?:的功能|的作用|片段|运行|注释)|"
            rf"\b(?:in|using|a|an|the) (?:{_LANGUAGES_OF_CODE})\b|\b(?:{_LANGUAGES_OF_CODE}) (?:program|function|"
            rf"script|code|query|class|method)|\bregular expressions?\b|"
            rf"\b(?:write|implement|define) (?:a|an|the)(?: \w+)? (?:function|method|algorithm)\b|"
            rf"\bwrite (?:a|an|the)(?: computer)? program (?:to|that|which)\b|"
            rf"\b(?:write|generate|fix|debug|refactor|complete|explain|comment)\b.{{0,30}}{_NOT_CODE}\bcode\b|"
            rf"\b(?:given|following|this|below) (?:function|code|script)\b",
            re.I,
        ),
    ),
    (
        "task_role_play",
        re.compile(
            r"你.{0,4}扮演|^请?扮演|我们.{0,4}角色扮演|(?:进行|做|来).{0,4}角色扮演|(?:假设|假如|假装|想象|设想)你(?:是|自己是|现在是)|"
            r"^(?:现在)?你(?:现在)?是一?[名个位]|^请?充当|你(?:来)?充当|^(?:请)?以.{1,12}的(?:身份|口吻)|^请?(?:你)?作为一[名位个]|"
            r"\brole[- ]?play(?:ing)? (?:as|with me|a)|\blet'?s role[- ]?play|\bpretend (?:to be|that you|you)\b|"
            r"(?:^|please |want you to |you will |you should )act (?:as|like) (?:a|an|if|the|my)\b|"
            r"^you are (?:a|an) |^imagine (?:that )?you(?:'re| are) (?:a|an|the)\b|\btake on the role\b|"
            r"^(?:please )?play the (?:role|part) of\b|^as an? [\w ]{3,60}, .*\b(?:you|your)\b",
            re.I,
        ),
    ),
)
_SOURCE_CODE = re.compile(
    r"```|^\s*(?:def \w+\(|import \w+$|from \w+ import|#include\s*<|public class |package main)|"
    r"\bconsole\.log\(|\bprintf?\(['\"\w]|\bfunction \w*\(.*\)\s*\{|\bSELECT\b.+\bFROM\b|</\w+>|\bfor \w+ in range\(",
    re.M,
)
_CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
_NOT_CHINESE = re.compile(r"[A-Za-z\u3040-\u30ff\uac00-\ud7af]")
_OPENING = 24  # characters
_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")


def refuse(
    instruction: str,
    input: str,
    task: str | None,
    reference: str | None,
    language: Language,
    *,
    max_characters: int = 100,
) -> str | None:
    """Why an instruction is not taken, or None: `empty`, `task_translation`, `task_code`, `task_role_play`, `too_long`.

    `max_characters` counts the instruction alone. The reference answer is looked at for source code only.

    >>> refuse("Translate this into French.", "Good night", None, None, "en")
    'task_translation'
    >>> refuse("Is being a translator a good job?", "", None, None, "en") is None
    True
    """
    text = instruction.strip()
    if not (_CJK.search(text) or _WORD.search(text)):
        return "empty"
    reason = _by_task(task) or _by_content(text, input, reference)
    if reason is None and len(text) > max_characters:
        return "too_long"
    return reason


def _by_task(task: str | None) -> str | None:
    label = re.sub(r"[\s_-]+", " ", (task or "").strip().lower())
    return TASK_LABELS.get(label)


def _by_content(instruction: str, input: str, reference: str | None) -> str | None:
    for reason, pattern in _CONTENT:
        if pattern.search(instruction):
            return reason
    if any(_SOURCE_CODE.search(part or "") for part in (instruction, input, reference)):
        return "task_code"
    return None


def latin_word(text: str) -> str | None:
    """The first word of Latin letters, if there is one.

    >>> latin_word("我想学 Python"), latin_word("我想学画画")
    ('Python', None)
    """
    found = _WORD.search(text)
    return found[0] if found else None


def language_of(text: str) -> Language | None:
    """`zh` where Chinese characters outweigh Latin words, `en` where Latin words make up nearly all; else None.

    The opening decides, so that a Chinese instruction about an English text is Chinese; the whole text only where the
    opening says nothing. A Chinese character counts as one word. Text with kana or Hangul, or much accented or other
    script, is neither.

    >>> language_of("请用 Excel 做一张表"), language_of("Why is 春节 red?"), language_of("123")
    ('zh', 'en', None)
    """
    return _language(text.strip()[:_OPENING]) or _language(text)


def languages_of(texts: Sequence[str]) -> list[Language | None]:
    """:func:`language_of` of each, faster for many."""
    openings = [text[:_OPENING] for text in map(str.strip, texts)]
    return [
        "en" if opening.isascii() and opening[:1].isalpha() else _language(opening) or _language(text)
        for opening, text in zip(openings, texts, strict=True)
    ]


def _language(text: str) -> Language | None:
    if text.isascii():  # the rule below, where there is nothing but Latin words
        return "en" if _WORD.search(text) else None
    if _CJK.search(text) and not _NOT_CHINESE.search(text):  # the rule below, for most of what is Chinese
        return "zh"
    chinese, words = len(_CJK.findall(text)), len(_WORD.findall(text))
    if chinese and chinese >= 2 * words and not _KANA_HANGUL.search(text):
        return "zh"
    letters = sum(c.isalpha() for c in text)
    if not letters or len(_KANA_HANGUL.findall(text)) > 0.1 * letters:
        return None
    if (chinese and chinese >= 2 * words) or chinese > 0.5 * letters:
        return "zh"
    ascii_letters = sum(c.isascii() and c.isalpha() for c in text)
    return "en" if words and ascii_letters > 0.8 * (letters - chinese) and words >= chinese else None
