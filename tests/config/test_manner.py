"""Manners of speaking in a profile: what is refused when it is loaded, and which shards depend on them."""

from __future__ import annotations

import re

import pytest

from kespeechchat.config.load import ConfigError, from_json, load_pipeline

COSYVOICE = "engines.tts.kokoro={use: cosyvoice, model: unused}"
INSTRUCT = "engines.tts.kokoro={use: cosyvoice, model: unused, mode: instruct, instruct_text: A calm speaker.}"
SERVER = "use: openai, url: 'http://x/v1', model: m, sample_rate: 24000, voices: {en: {female: [a]}, zh: {male: [b]}}"
TOLD = "instruct: {zh: 快, en: Fast.}"


def served(*more: str) -> str:
    return f"engines.tts.kokoro={{{', '.join((SERVER, *more))}}}"


def manner(does: str, name: str = "odd") -> str:
    return f"manner=[{{name: {name}, share: 0.5, {does}}}]"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            (manner(TOLD),),
            "odd: instruct: '快': the tts engine 'kokoro' (kokoro) takes no instructions: remove instruct",
        ),
        ((manner("speed: 2.5"),), "odd: speed: [2.5, 2.5]: the tts engine 'kokoro' (kokoro) takes 0.5 to 2.0: stay"),
        (
            (COSYVOICE, manner("speed: [0.4, 1]")),
            "odd: speed: [0.4, 1.0]: the tts engine 'kokoro' (cosyvoice) takes 0.5",
        ),
        ((COSYVOICE, manner(TOLD)), "takes no instructions: give it version: 1, mode: instruct, an instruct_text"),
        ((served(), manner(TOLD)), "takes no instructions: set instructions: true of this engine, if its server takes"),
        (
            (served("instructions: true", "by_language: {zh: {instructions: x}}"), manner(TOLD)),
            "remove it there, or remove",
        ),
        (
            (served("extra: {speed: 1}"), manner("speed: 1.1")),
            "takes no speed: speed is in extra or by_language, and goes",
        ),
        (
            (served("by_language: {zh: {speed: 1}}"), manner("speed: 1.1")),
            "takes no speed: speed is in extra or by_language, and goes",
        ),
        ((served(), manner("speed: 5")), "(openai) takes 0.25 to 4.0: stay within"),
    ],
)
def test_a_profile_whose_engine_cannot_is_refused(quickstart, settings, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        load_pipeline(quickstart, settings)
    assert str(error.value).startswith(f"{quickstart}: pipeline: manner: odd: ")


@pytest.mark.parametrize(
    "settings",
    [
        (manner("speed: [0.5, 2]"),),
        (COSYVOICE, manner("speed: 1.2")),
        (INSTRUCT, manner(f"speed: 1.2, {TOLD}")),
        (served(), manner("speed: 4")),
        (served("instructions: true"), manner(TOLD)),
        (served("extra: {instructions: Softly.}"), manner("speed: 1.1")),
        (served("by_language: {zh: {speed: 1}}"), manner("languages: [en], speed: 1.1")),
        (
            served("instructions: true", "by_language: {zh: {instructions: x}}"),
            manner("languages: [en], instruct: {en: Fast.}"),
        ),
    ],
)
def test_a_profile_whose_engine_can_is_loaded_and_kept(quickstart, settings):
    pipeline = load_pipeline(quickstart, settings)
    assert from_json(pipeline.to_json()).manner == pipeline.manner != ()


def test_a_wrong_manner_is_named_by_file_line_and_place(quickstart, tmp_path):
    profile = tmp_path / "profile.yaml"
    text = quickstart.read_text().replace("../", f"{quickstart.parents[1]}/")
    profile.write_text(text + "manner:\n  - {name: a, share: 1.5, speed: 1.1}\n  - {name: b, share: 0.1}\n")
    with pytest.raises(ConfigError) as error:
        load_pipeline(profile)
    lines = str(error.value).splitlines()
    end = len(text.splitlines())
    assert lines[0].startswith(f"{profile}:{end + 2}: manner.0.share: 1.5 does not fit")
    assert lines[1].startswith(f"{profile}:{end + 3}: manner.1: b: changes nothing")


def relevant(quickstart, *settings: str, stage: str = "synthesize", language: str = "en"):
    return load_pipeline(quickstart, settings).relevant_to(stage, language)


def test_without_one_nothing_is_stale_and_with_one_only_speech_is(quickstart):
    plain = relevant(quickstart)
    assert "manner" not in plain["settings"] and relevant(quickstart, "manner=[]") == plain
    fast = manner("speed: 1.2")
    assert relevant(quickstart, fast)["settings"].keys() - plain["settings"].keys() == {"manner"}
    assert relevant(quickstart, fast, "rounds=[voice]", stage="synthesize.r1")["settings"]["manner"]
    for stage in ("spoken", "audition", "watermark", "measure", "gate"):
        assert relevant(quickstart, fast, stage=stage) == relevant(quickstart, stage=stage)


def test_that_a_server_takes_instructions_makes_nothing_stale_until_it_is_given_some(quickstart):
    takes = served("instructions: true")
    for stage in ("audition", "synthesize"):
        assert relevant(quickstart, takes, stage=stage) == relevant(quickstart, served(), stage=stage)
    told = (takes, manner(TOLD))
    assert relevant(quickstart, *told, stage="audition") == relevant(quickstart, served(), stage="audition")
    assert relevant(quickstart, *told) != relevant(quickstart, takes)


def test_a_language_depends_on_its_own_manners_alone(quickstart):
    chinese = manner("speed: 1.2, languages: [zh]")
    assert relevant(quickstart, chinese) == relevant(quickstart)
    assert relevant(quickstart, chinese, language="zh") != relevant(quickstart, language="zh")
    assert relevant(quickstart, chinese, language="zh") == relevant(quickstart, manner("speed: 1.2"), language="zh")
    one, other = (f"instruct: {{zh: {text}, en: Fast.}}" for text in ("快", "慢"))
    assert relevant(quickstart, INSTRUCT, manner(one)) == relevant(quickstart, INSTRUCT, manner(other))
    assert relevant(quickstart, INSTRUCT, manner(one), language="zh") != relevant(
        quickstart, INSTRUCT, manner(other), language="zh"
    )


def test_the_shipped_profiles_have_none(quickstart):
    for path in quickstart.parent.glob("*.yaml"):
        assert load_pipeline(path).manner == ()
