"""Phrases that Whisper writes where nobody says them: credits and farewells of the videos that it learned from.

It writes them for silence, noise and music, so a transcript that is such a phrase says nothing about the speech. The
lists are this project's own. A phrase counts only as the whole transcript, once or several times: inside a sentence it
may have been said.
"""

from __future__ import annotations

import re

from kespeechchat.records import Language
from kespeechchat.text.normalize import normalize

_ZH = (
    "谢谢(?:大家)?(?:的)?(?:观看|收看|收听|聆听)",
    "感谢(?:大家|您|你|各位)?(?:的)?(?:观看|收看|收听|聆听)",
    "(?:中文)?字幕(?:制作|校对|翻译|志愿者|提供|组|由|by).{0,20}",
    "由?.{0,20}(?:提供的|制作的)字幕",
    "(?:请|欢迎)?(?:不吝)?(?:点赞|订阅|转发|打赏|关注|分享|收藏|支持)+.{0,20}(?:栏目|频道)",
    "(?:请|记得|欢迎)(?:点赞|订阅|转发|关注|分享|收藏)+(?:我们?的)?(?:频道)?",
    "(?:我们)?(?:下期|下次|下集)(?:节目)?(?:再见|再会)",
    "(?:作词|作曲|编曲|词曲).{1,8}",
    "优优独播剧场.{0,40}",
    "本(?:期|集)(?:节目|视频)(?:就)?到这里(?:了)?",
)
_EN = (
    "(?:thank you|thanks)(?: (?:so|very) much)? for (?:watching|listening|viewing)(?: (?:this|my|our|the) video)?",
    "(?:please )?(?:like and )?subscribe(?: to (?:my|our|the|this) channel)?",
    "do(?:n't| not) forget to (?:like and )?subscribe(?: to (?:my|our|the|this) channel)?",
    "(?:i'll |i will )?see you (?:guys )?in the next (?:one|video|episode)",
    "(?:subtitles?|captions?|captioning|transcription|translation)(?: made| provided| edited)? by .{1,60}",
    ".{0,60}all rights reserved",
)


def _whole(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?:(?:{'|'.join(phrases)})\s*)+")


_STOCK: dict[Language, re.Pattern[str]] = {"zh": _whole(_ZH + _EN), "en": _whole(_EN)}


def is_hallucination(transcript: str, text: str, language: Language) -> bool:
    """Whether `transcript` is a stock phrase and `text`, which was to be said, is none.

    >>> is_hallucination("谢谢观看！", "月亮有多远？", "zh")
    True
    >>> is_hallucination("Thanks for watching!", "Thanks for watching.", "en")
    False
    """
    return _is_stock(transcript, language) and not _is_stock(text, language)


def _is_stock(text: str, language: Language) -> bool:
    return _STOCK[language].fullmatch(normalize(text, language)) is not None
