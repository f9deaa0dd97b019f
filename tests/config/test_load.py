"""Profiles: errors name file, line, field, value and fix; overrides and references work."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.base import EngineRef
from kespeechchat.config.flow import STAGES
from kespeechchat.config.load import ConfigError, from_json, load_pipeline, read_mapping
from kespeechchat.store.commit import short_hash
from tests.fuzzing import broken


@pytest.fixture
def profile(tmp_path, quickstart):
    """A copy of the quick start, to be harmed by `edit(old, new)`."""
    (tmp_path / "pipelines").mkdir()
    for folder in ("prompts", "examples"):
        (tmp_path / folder).symlink_to(quickstart.parent.parent / folder)
    copy = tmp_path / "pipelines" / "mine.yaml"
    text = quickstart.read_text(encoding="utf-8")

    def edit(old: str, new: str):
        assert old in text
        copy.write_text(text.replace(old, new), encoding="utf-8")
        return copy

    return edit


def _line_of(file, part: str) -> int:
    return next(n for n, line in enumerate(file.read_text().splitlines(), 1) if part in line)


def test_a_typo_names_file_line_and_the_likely_name(profile):
    file = profile("  shard_size: 6\n", "  shard_sise: 6\n")
    with pytest.raises(ConfigError) as error:
        load_pipeline(file)
    assert f"mine.yaml:{_line_of(file, 'shard_sise')}: instructions.shard_sise" in str(error.value)
    assert "did you mean 'shard_size'?" in str(error.value)


def test_a_typo_of_the_command_line_names_the_option(quickstart):
    with pytest.raises(ConfigError, match=r"^--set stages\.gate\.eror=0\.1: stages\.gate\.eror: unknown setting"):
        load_pipeline(quickstart, ("seed=5", "stages.gate.eror=0.1"))
    with pytest.raises(ConfigError, match=r"^--set seed=often: seed: 'often' does not fit"):
        load_pipeline(quickstart, ("seed=often",))


def test_a_wrong_value_is_shown_with_its_line(profile):
    file = profile("seed: 2412", "seed: often")
    with pytest.raises(ConfigError, match=rf"mine.yaml:{_line_of(file, 'seed: often')}: seed: 'often'"):
        load_pipeline(file)


def test_an_unknown_engine_name_lists_those_there_are(profile):
    with pytest.raises(ConfigError, match="no llm engine named 'gemna'; there is gemma"):
        load_pipeline(profile("    llm: gemma\n", "    llm: gemna\n"))


def test_a_missing_prompt_file_is_named(profile):
    with pytest.raises(ConfigError, match=r"prompts/nowhere.yaml: no such prompt file"):
        load_pipeline(profile("{prompt: clear,", "{prompt: nowhere,"))


def test_phases_must_hold_all_stages_in_order(profile):
    with pytest.raises(ConfigError, match="phases: the stages must be, in this order"):
        load_pipeline(profile("[ingest, rewrite,", "[rewrite, ingest,"))


def test_broken_yaml_and_missing_file(tmp_path, profile):
    with pytest.raises(ConfigError, match=r"\.yaml:\d+: not valid YAML: .* \(column \d+\)$"):
        load_pipeline(profile("seed: 2412", "seed: [2412"))
    with pytest.raises(ConfigError, match="no such pipeline file"):
        load_pipeline(tmp_path / "none.yaml")


def test_set_overrides_one_language_and_leaves_the_other(quickstart):
    pipeline = load_pipeline(quickstart, ("stages.gate.max_error.zh=0.2",))
    assert pipeline.stages.gate.max_error == {"zh": 0.2, "en": 0.10}


def test_an_override_of_an_anchor_leaves_its_aliases(quickstart):
    """`synthesize` is an alias of `audition`, and `filter` merges `rewrite`, whose runtime_env they share."""
    changes = ("resources.audition.num_gpus=0", "resources.filter.runtime_env.py_executable=/mine")
    paper, changed = (load_pipeline(quickstart.with_name("ke-speechchat.yaml"), c) for c in ((), changes))
    expected = dict(paper.resources)
    expected["audition"] = expected["audition"].model_copy(update={"num_gpus": 0})
    expected["filter"] = expected["filter"].model_copy(update={"runtime_env": {"py_executable": "/mine"}})
    assert changed.resources == expected


@pytest.mark.parametrize("override", ["nonsense", "seed.x=1", "stages.gate.max_errror.zh=1", "speech.inputs.7.path=x"])
def test_a_wrong_override_is_an_error_of_use(quickstart, override):
    with pytest.raises(ConfigError):
        load_pipeline(quickstart, (override,))


def test_the_resolved_pipeline_reads_back_the_same(quickstart):
    pipeline = load_pipeline(quickstart)
    assert from_json(pipeline.to_json()) == pipeline


def test_optional_engine_settings_are_references_too(quickstart):
    pipeline = load_pipeline(quickstart)
    named = {mark.capability for mark, _ in pipeline.stages.clips.references() if isinstance(mark, EngineRef)}
    assert named >= {"speaker", "embedder", "gender", "asr"}


def test_paths_are_relative_to_the_profile(quickstart):
    pipeline = load_pipeline(quickstart)
    assert pipeline.root == str((quickstart.parent / yaml.safe_load(quickstart.read_text())["root"]).resolve())


@pytest.mark.parametrize("profile", ["quickstart", "ke-speechchat"])
def test_what_is_hashed_survives_the_way_through_root(quickstart, profile):
    """The commands that name only ROOT plan with the kept JSON: they must find the shards that the build made."""
    pipeline = load_pipeline(quickstart.with_name(f"{profile}.yaml"), ("stages.spoken.splits={dev: 0, test: 0}",))
    kept = from_json(pipeline.to_json())
    for stage in STAGES:
        for language in ("zh", "en", None):
            told = [short_hash(p.relevant_to(stage, language)) for p in (pipeline, kept)]
            assert told[0] == told[1], f"{stage} {language}"


@settings(max_examples=25, deadline=None)  # each reads the profile and its prompts twice
@given(data=st.data())
def test_a_broken_profile_or_prompt_is_a_config_error(tmp_path_factory, data):
    here = tmp_path_factory.mktemp("profile")
    for folder in ("pipelines", "prompts"):
        shutil.copytree(Path(__file__).parents[2] / folder, here / folder)
    file = here / data.draw(st.sampled_from(["pipelines/quickstart.yaml", "prompts/rewrite.yaml"]))
    file.write_bytes(data.draw(broken(file.read_bytes())))
    with contextlib.suppress(ConfigError):
        load_pipeline(here / "pipelines" / "quickstart.yaml")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"zh: \xff", r"not UTF-8 \(byte 4\)"),
        (b"zh: [", "not valid YAML"),
        (b"- zh", "maps languages .* this is a list"),
        (b"zh: {system: a, template: 3}", r"zh\.template: is missing or not text"),
        (b"en: {system: a, template: b, examples: 3}", r"en\.examples: is a int"),
    ],
)
def test_a_prompt_file_that_is_none_is_named(tmp_path, quickstart, content, says):
    for folder in ("pipelines", "prompts"):
        shutil.copytree(quickstart.parent.parent / folder, tmp_path / folder)
    (tmp_path / "prompts" / "rewrite.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"rewrite\.yaml(?::\d+)?: .*{says}"):
        load_pipeline(tmp_path / "pipelines" / "quickstart.yaml")


@pytest.mark.parametrize(
    ("stage", "engine"),
    [("rewrite", "llm engine 'gemma'"), ("filter", "judge engine 'e5'"), ("synthesize", "tts engine 'kokoro'")],
)
def test_shards_are_in_flight_together_only_where_engines_take_several_calls(quickstart, stage, engine):
    refused = f"shards_in_flight: 2, but the {engine} of stages.{stage} takes one call at a time"
    with pytest.raises(ConfigError, match=refused):
        load_pipeline(quickstart, (f"resources.{stage}.shards_in_flight=2",))


def test_servers_and_judges_that_ask_them_take_several_shards(quickstart):
    server = "{use: openai, url: 'http://127.0.0.1:9/v1', model: m}"
    sets = (f"engines.llm.gemma={server}", f"engines.judge.e5={{use: llm, llm: {server}}}")
    flights = tuple(f"resources.{stage}.shards_in_flight=2" for stage in ("rewrite", "filter", "spoken"))
    assert load_pipeline(quickstart, sets + flights).resources["filter"].shards_in_flight == 2


def test_what_one_caller_changes_in_a_mapping_the_next_does_not_see(tmp_path):
    (tmp_path / "a.yaml").write_text("outer: {inner: [1]}")
    first, _ = read_mapping(tmp_path / "a.yaml", "")
    first["outer"]["inner"].append(2)
    assert read_mapping(tmp_path / "a.yaml", "")[0] == {"outer": {"inner": [1]}}


@pytest.mark.parametrize("setting", ["stages.gate.max_error.zh=7", "stages.gate.max_error.en=-0.1"])
def test_an_error_rate_is_a_share(quickstart, setting):
    with pytest.raises(ConfigError, match=r"stages\.gate\.max_error\.(zh|en): .* does not fit"):
        load_pipeline(quickstart, (setting,))


def test_a_copied_profile_finds_the_prompts_that_come_along(quickstart, tmp_path):
    copied = tmp_path / "elsewhere" / "mine.yaml"
    copied.parent.mkdir()
    shutil.copy(quickstart, copied)
    assert load_pipeline(copied).prompts == load_pipeline(quickstart).prompts
    own = tmp_path / "prompts"
    own.mkdir()
    clear = (quickstart.parent.parent / "prompts" / "clear.yaml").read_text("utf-8")
    (own / "clear.yaml").write_text(clear.replace("清楚", "明白"), "utf-8")
    assert load_pipeline(copied).prompts["clear"] != load_pipeline(quickstart).prompts["clear"]
    with pytest.raises(
        ConfigError, match=r"none.*: no such prompt file.*set prompts_dir .* shipped prompts are in .*prompts"
    ):
        load_pipeline(copied, ("prompts_dir=none",))
