"""`--llm`: what it changes in a profile, what it leaves alone, and how it refuses what is no model."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kespeechchat.config.language_model import CHAT, gguf_fault
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.dataset.origins import departures_of
from tests.conftest import ROOT

PAPER = ROOT / "pipelines" / "ke-speechchat.yaml"
URL, NAME = "http://127.0.0.1:8000/v1", "Qwen2.5-7B-Instruct"
# What the paper's profile has elsewhere: it names a folder of prompts, and defaults that the quick start changes.
FOLDER = ("prompt", "directive_prompt", "grounded_prompt", "later_prompt")


@pytest.fixture
def gguf(tmp_path) -> Path:
    path = tmp_path / "qwen2.5-7b-instruct-q4_k_m.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    return path


def at_a_server(profile: Path, *overrides: str) -> Pipeline:
    return load_pipeline(profile, overrides, llm=URL, model=NAME)


def test_a_server_writes_all_text_with_the_papers_prompts(quickstart):
    pipeline = at_a_server(quickstart)
    engine = pipeline.engine("llm", pipeline.stages.rewrite.llm)
    assert (engine.use, engine.url, engine.model, engine.chat) == ("openai", URL, NAME, True)
    paper = load_pipeline(PAPER)
    for stage, names in (("rewrite", ("rewrite", "rewrite-directive")), ("spoken", ("spoken", "spoken-grounded"))):
        for name in names:
            assert pipeline.prompts[f"paper/{name}"] == paper.prompts[name]
        given = {key: value for key, value in CHAT[stage].items() if key not in FOLDER}
        dumped = getattr(paper.stages, stage).model_dump(mode="json")
        assert {key: dumped[key] for key in given} == given, stage


def test_everything_else_stays(quickstart):
    before, after = load_pipeline(quickstart), at_a_server(quickstart)
    changed = {"llm"}
    for group in ("engines", "stages"):
        a, b = (getattr(p, group).model_dump(mode="json") for p in (before, after))
        assert {key for key in a if a[key] != b[key]} == (changed if group == "engines" else CHAT.keys())
    assert [c.prompt for c in after.stages.filter.criteria] == ["suitable", "clear", "safe"]
    assert all(after.prompts[name] == before.prompts[name] for name in ("suitable", "clear", "safe"))


def test_a_gguf_file_is_a_chat_model_in_process(quickstart, gguf, monkeypatch):
    monkeypatch.chdir(gguf.parent)
    pipeline = load_pipeline(quickstart, llm=gguf.name)
    engine = pipeline.engine("llm", pipeline.stages.spoken.llm)
    assert (engine.use, engine.model, engine.chat, engine.threads) == ("llamacpp", str(gguf), True, 1)
    longest = max(pipeline.stages.rewrite.max_tokens, pipeline.stages.spoken.max_tokens)
    assert engine.context >= 4 * longest
    base = load_pipeline(quickstart, ("engines.llm.gemma.chat=false",), llm=str(gguf))
    assert not base.engine("llm", "gemma").chat


def test_set_has_the_last_word(quickstart):
    pipeline = at_a_server(quickstart, "stages.spoken.max_tokens=99", "engines.llm.gemma.key_variable=MY_KEY")
    assert pipeline.stages.spoken.max_tokens == 99 and pipeline.engine("llm", "gemma").key_variable == "MY_KEY"


def test_a_profile_for_chat_models_keeps_its_prompts_and_limits():
    before, after = load_pipeline(PAPER), at_a_server(PAPER)
    assert after.stages == before.stages and after.prompts == before.prompts
    assert (
        {e.use for e in after.engines.llm.values()} == {j.llm.use for j in after.engines.judge.values()} == {"openai"}
    )


def test_the_card_names_the_model_and_no_other(quickstart, gguf):
    for pipeline, name in ((at_a_server(quickstart), NAME), (load_pipeline(quickstart, llm=str(gguf)), gguf.name)):
        licences = {entry.name: entry for entry in pipeline.licences}
        assert licences[name].licence == "not stated" and not [n for n in licences if "Gemma" in n]
        departures = {d.setting: d for d in departures_of(pipeline, "recipe")}
        assert departures["language models"].here == name
        assert not [d for d in departures.values() if "270M" in d.here]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"llm": URL}, rf"--llm {URL}: which model\? Add --model NAME.*{URL}/models"),
        ({"model": NAME}, rf"--model {NAME}: names a model of a server: add --llm"),
        ({"llm": "absent.gguf"}, r"--llm absent\.gguf: no such file; name a GGUF file, or a server's address"),
        ({"llm": "ftp://127.0.0.1/v1", "model": NAME}, r"'ftp://127\.0\.0\.1/v1' does not fit"),
        ({"llm": "http://user:key@127.0.0.1/v1", "model": NAME}, r"does not fit"),
    ],
)
def test_what_names_no_model_is_refused(quickstart, given, message):
    with pytest.raises(ConfigError, match=message):
        load_pipeline(quickstart, **given)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip", b"", b"GGU", b"ggml"])
def test_a_file_that_is_no_gguf_is_refused_with_what_to_do(quickstart, tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"model\.gguf is no GGUF file: it begins with b.*convert_hf_to_gguf"):
        load_pipeline(quickstart, llm=str(path))


def test_a_folder_and_a_file_with_a_model_name_are_refused(quickstart, tmp_path, gguf):
    assert "cannot be read" in str(gguf_fault(tmp_path))
    with pytest.raises(ConfigError, match=rf"--model {NAME}: belongs to a server's address"):
        load_pipeline(quickstart, llm=str(gguf), model=NAME)


def test_profiles_without_the_parts_it_changes_get_the_usual_errors(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump({"name": "p", "engines": {"llm": 3}}))
    with pytest.raises(ConfigError, match=r"p\.yaml"):
        load_pipeline(path, llm=URL, model=NAME)
