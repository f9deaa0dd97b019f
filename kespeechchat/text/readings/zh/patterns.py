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
