"""Readable rules against texts that no short spoken dialogue can serve, by their form alone.

They run beside the judge of `prompts/suitable.yaml` and see what it reads badly: length, layout and notation. They look
at what a speaker would have to say or an agent to answer, never at the topic. `unsuitable` names the first rule broken:

* `passage` – longer than anybody says in a breath or two (150 characters zh, 60 words en);
* `layout` – code fences, tables, markdown, JSON, several list items, lettered options on lines of their own;
* `blank` – a gap to fill in, which cannot be heard;
* `notation` – formulas, program text, queries;
* `written_work` – asks for a piece of N words, an essay, a report, a table, a drawing;
* `long_list` – asks for twenty things or more.
"""

from __future__ import annotations

import re

from kespeechchat.records import Language

MAX_LENGTH = {"zh": 150, "en": 60}  # characters zh, words en: about 30 s of speech

_LAYOUT = re.compile(
    r"```|^\s*\|.*\|\s*$|^#{1,6} |\*\*\w|^\s*[{[]\s*\"|</?\w+>|(?:^\s*(?:[-*•]|\d+[.)、]) ?\S.*\n?){3}"
    r"|(?:^\s*[(（]?[A-Da-d][.、)）:：] ?\S.*\n?){3}|(?:^[^,，\n]+(?:[,，][^,，\n]+){2,}\n?){3}",
    re.M,
)
_BLANK = re.compile(r"_{2,}|[(（]\s{1,}[)）]|[\[【](?:空|空白|mask|blank)?[\]】]|\.{6,}", re.I)
_NOTATION = re.compile(
    r"\\(?:frac|sum|int|sqrt)|\$[^$\n]*\\[^$\n]*\$|\w\^\d|[a-z]\([a-z]\)\s*=|\d?[a-zA-Z]\s*[+\-*/]\s*\d+\s*=\s*\d"
    r"|\bdef \w+\(|\bfor \w+ in |\bselect (?:\*|[\w.]+(?:\s*,\s*[\w.]+)*) from |\bprint\(|\bclass \w+:"
    r"|=>|!=|==|\w+\(\w*\)\s*[;{]",
    re.I,
)
_WRITTEN: dict[Language, re.Pattern[str]] = {
    "zh": re.compile(
        r"(?:\d{3,}|[一二两三五六八]百|[一两]?千|[一两]万)个?字(?!节|典)|(?:表格|思维导图|流程图|结构图|示意图)(?:形式|的形式)"
        r"|(?:制作|做|画|绘制|创建|生成)一?[个张份幅]?[^，。]{0,8}(?:表格|图表|思维导图|流程图|结构图|海报|幻灯片)"
        r"|(?:写|撰写|编写|起草|拟)(?:出|作)?一?[篇份封][^，。]{0,20}"
        r"(?:论文|作文|议论文|文章|报告|说明书|手册|计划书|策划|合同|简历|新闻稿|演讲稿|剧本|邮件|邀请信|求职信)"
    ),
    "en": re.compile(
        r"\b(?:\d{3,}|hundred|thousand)[ -]words?\b|\b(?:as|in|into) a (?:table|spreadsheet|flow ?chart|mind map)\b"
        r"|\b(?:make|draw|create|build|sketch) (?:a|an|the) (?:\w+ ){0,3}"
        r"(?:table|chart|diagram|flow ?chart|mind map|poster)\b"
        r"|\b(?:write|draft|compose|prepare|create|design) (?:a|an|the) (?:\w+ ){0,4}"
        r"(?:essay|article|report|manual|business plan|screenplay|syllabus"
        r"|contract|resume|cv|press release|e-?mail|cover letter)\b",
        re.I,
    ),
}
_MANY: dict[Language, re.Pattern[str]] = {
    "zh": re.compile(
        r"(?:[2-9]\d|\d{3,}|[二三四五六七八九]十|一?百)(?:个|条|种|项|句|道|首|位)[^，。钱元岁年]{0,12}(?:列表|清单|问题|建议|单词|成语|句子|例子|名字|词语|动词|方法)"
    ),
    "en": re.compile(
        r"\b(?:list|give|name|write|generate|suggest)\b[^.,]{0,20}"
        r"\b(?:[2-9]\d|\d{3,}|twenty|thirty|forty|fifty|(?:a|one) hundred)\b(?! words?| years?)",
        re.I,
    ),
}


def unsuitable(text: str, language: Language) -> str | None:
    """The code of the first rule that `text` breaks, or None.

    >>> unsuitable("写一篇八百字的议论文。", "zh")
    'written_work'
    >>> unsuitable("She is interested ___ painting.", "en")
    'blank'
    >>> unsuitable("Why is the sea salty?", "en") is None
    True
    """
    length = len(text) if language == "zh" else len(text.split())
    if length > MAX_LENGTH[language]:
        return "passage"
    rules = (("layout", _LAYOUT), ("blank", _BLANK), ("notation", _NOTATION))
    of_language = (("written_work", _WRITTEN[language]), ("long_list", _MANY[language]))
    return next((code for code, pattern in (*rules, *of_language) if pattern.search(text)), None)
