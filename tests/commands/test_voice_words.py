"""A voice's short words are held to the limits of stage `gate`, and a profile that cannot have them is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from kespeechchat.commands.voice_words import LibraryWords
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.dataset.backchannels import Sound
from kespeechchat.stages.voice_words import rejected_word

WORDS = "stages.audition.backchannels={watermark: perth, words: {en: {Mm-hm.: [mhm]}}}"
ON = "timing.backchannels.probability=0.5"
GOOD = {
    "language": "en",
    "text": "Mm-hm.",
    "audio": b"flac",
    "sample_rate": 24_000,
    "seconds": 0.5,
    "transcript": "Mm, hm",
    "leading_silence": 0.1,
    "longest_silence": 0.0,
    "trailing_silence": 0.1,
    "watermark_score": 1.0,
    "own_voice": 0.8,
    "error": None,
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"transcript": "Mhm!"}, None),
        ({"transcript": "Thank you."}, "error_rate"),
        ({"transcript": ""}, "error_rate"),
        ({"watermark_score": 0.2}, "watermark_not_found"),
        ({"watermark_score": float("nan")}, "watermark_not_found"),
        ({"trailing_silence": 1.5}, "silence"),
        ({"own_voice": 0.1}, "other_voice"),
        ({"own_voice": None}, None),
        ({"error": "audio is silent", "audio": None, "watermark_score": None}, "failed"),
    ],
)
def test_a_word_is_held_to_the_limits_of_the_gate(quickstart: Path, change, reason):
    pipeline = load_pipeline(quickstart, (WORDS, ON))
    assert rejected_word(GOOD | change, pipeline) == reason


def test_only_what_is_kept_can_be_drawn():
    words = LibraryWords()
    words.add("v", GOOD, None)
    words.add("v", GOOD | {"text": "Right."}, "error_rate")
    assert dict(words.sounds) == {("v", "en"): [Sound("Mm-hm.", 12_000, 24_000)]}
    assert words.counts == {"kept": 1, "error_rate": 1} and words.read("v", "en", "Mm-hm.") == b"flac"
    with pytest.raises(KeyError):
        words.read("v", "en", "Right.")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((ON,), r"timing.backchannels: no voice keeps short words: set stages.audition.backchannels"),
        (
            (WORDS, ON, "engines.tts.other={use: kokoro, threads: 1}", "stages.synthesize.tts=other"),
            r"stages.audition.tts, 'kokoro', speaks them, and 'other' the dialogues",
        ),
        (("stages.audition.backchannels={watermark: none}",), r"no watermark engine named 'none'"),
    ],
)
def test_a_profile_that_cannot_have_them_is_refused(quickstart: Path, changes, told):
    with pytest.raises(ConfigError, match=told):
        load_pipeline(quickstart, changes)


def test_they_are_off(quickstart: Path):
    pipelines = [quickstart, *quickstart.parent.glob("ke-speechchat*.yaml")]
    assert len(pipelines) > 1
    for path in pipelines:
        pipeline = load_pipeline(path)
        assert pipeline.stages.audition.backchannels is None and not pipeline.timing.backchannels.probability
        assert "backchannels" not in pipeline.stages.audition.relevant()
