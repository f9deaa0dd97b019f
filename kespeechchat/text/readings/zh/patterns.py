"""Pieces of patterns that several kinds share."""

from __future__ import annotations

import re

from kespeechchat.text.readings.tables_zh import MEASURE_WORDS, NUMBERING

WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
NUMBER = rf"(?:{WHOLE}(?:\.[0-9]+)?)"
EDGE = r"(?<![0-9$€£¥￥A-Za-z])(?<![0-9][.,/:：%+×])(?<![0-9A-Za-z]-)"
DONE = r"(?![0-9]|[.,/:：\-–—~～][0-9])"
DASH = r"(?:\s?(?:[–—~～]{1,2}|至|到)\s?|[-−]{1,2}|\s-\s)"
MEASURE = re.compile(rf"\s?(?!{NUMBERING})(?:多|余|来|几)?(?:{MEASURE_WORDS})")
# What a sentence with two numbers is about.
RATIOS = re.compile(r"比例|配比|之比|比为|比是|兑水|稀释|混合|比率|赔率|汇率|比值|尺寸|画面|宽高")
SCORES = re.compile(r"比分|战胜|击败|打败|赢|输|领先|落后|大胜|险胜|平局|战平|逆转|惜败|负于|取胜|扳平|决赛|比赛")
