"""What recognizers invent is known by the whole transcript, and only where it was not to be said."""

import pytest

from kespeechchat.text.hallucinations import is_hallucination


@pytest.mark.parametrize(
    ("language", "transcript"),
    [
        ("zh", "谢谢观看！"),
        ("zh", "謝謝大家收看。謝謝大家收看。"),
        ("zh", "中文字幕志愿者 杨茜茜"),
        ("zh", "字幕由Amara.org社群提供"),
        ("zh", "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目"),
        ("zh", "优优独播剧场——YoYo Television Series Exclusive"),
        ("zh", "感谢您的观看，下次再见。"),
        ("zh", "Thank you for watching."),
        ("en", "Thanks for watching!"),
        ("en", "Thank you so much for watching this video."),
        ("en", "Subtitles by the Amara.org community"),
        ("en", "Don't forget to like and subscribe."),
        ("en", "I'll see you in the next video. Thanks for watching!"),
        ("en", "© BF-WATCH TV 2021. All rights reserved."),
    ],
)
def test_stock_phrases(language, transcript):
    text = "月亮有多远？" if language == "zh" else "How far is the moon?"
    assert is_hallucination(transcript, text, language)
    assert not is_hallucination(transcript, transcript, language), "it was to be said"


@pytest.mark.parametrize(
    ("language", "transcript"),
    [
        ("zh", "谢谢你的帮助。"),
        ("zh", "谢谢观看，我们明天去公园。"),
        ("zh", "曲线是弯的。"),
        ("zh", "电影的字幕太小了。"),
        ("zh", ""),
        ("en", "Thank you for your help."),
        ("en", "Thank you."),
        ("en", "He thanked them for watching the game."),
        ("en", "You can subscribe to the paper at the desk."),
        ("en", ""),
    ],
)
def test_what_may_be_said_is_none(language, transcript):
    assert not is_hallucination(transcript, "x", language)
