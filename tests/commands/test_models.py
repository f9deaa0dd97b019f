from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from kespeechchat.cli import app
from kespeechchat.commands.models import models
from kespeechchat.config.load import load_pipeline

ROOT = Path(__file__).parents[2]
REVISION = "0123456789abcdef0123456789abcdef01234567"


def profile(folder: Path, llm: dict, licences: list | None = None) -> Path:
    """The quick start with another LLM."""
    data = yaml.safe_load((ROOT / "pipelines" / "quickstart.yaml").read_text(encoding="utf-8"))
    data["engines"]["llm"]["gemma"] = llm
    data["prompts_dir"] = str(ROOT / "prompts")
    data["licences"] = licences or []
    file = folder / "profile.yaml"
    file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return file


def found(file: Path, engine: str):
    return next(m for m in models(load_pipeline(file)) if engine in m.used_by)


def test_a_local_model_is_present_with_its_size_and_licence(tmp_path: Path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.gguf").write_bytes(b"x" * 2_000_000)
    licence = {"name": "w", "use": "u", "origin": "o", "licence": "Apache-2.0", "model": "./weights", "gb": 99}
    file = profile(tmp_path, {"use": "llamacpp", "model": "./weights"}, [licence])
    status = found(file, "llm:gemma")
    assert status.problem is None
    assert (status.model, status.size, status.licence) == (str(tmp_path / "weights"), 0.002, "Apache-2.0")


def test_a_hub_model_that_is_not_here_is_missing_and_nothing_is_asked_of_the_hub(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    model = f"hub:nobody/nothing@{REVISION}"
    status = found(profile(tmp_path, {"use": "vllm", "model": model}), "llm:gemma")
    assert f"hf download nobody/nothing --revision {REVISION}" in status.problem
    assert "HF_HUB_OFFLINE" not in os.environ


def test_a_server_holds_its_model_itself(tmp_path: Path):
    file = profile(tmp_path, {"use": "openai", "model": "m", "url": "http://127.0.0.1:9/v1"})
    assert "m" not in {m.model for m in models(load_pipeline(file))}


def test_a_model_inside_a_library_has_the_librarys_licence_where_the_profile_names_none(tmp_path: Path):
    file = profile(tmp_path, {"use": "openai", "model": "m", "url": "http://127.0.0.1:9/v1"})
    assert found(file, "watermark:perth").licence == "MIT"
    assert found(file, "mos:dnsmos").licence == "MIT"
    assert found(file, "tts:kokoro").licence is None  # a setting names it: its licence is the profile's to say


@pytest.mark.parametrize(("name", "code"), [("quickstart", 0), ("ke-speechchat", 1)])
def test_the_command_says_what_is_missing_by_its_exit_code(name: str, code: int, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    ran = CliRunner().invoke(app, ["models", str(ROOT / "pipelines" / f"{name}.yaml")])
    assert ran.exit_code == code, ran.output
    assert ("MISSING" in ran.output) == bool(code)
    assert "licence not named" not in ran.output


def test_each_model_of_the_paper_is_listed_once_with_all_who_use_it():
    listed = models(load_pipeline(ROOT / "pipelines" / "ke-speechchat.yaml"))
    assert len({m.model for m in listed}) == len(listed) == 13
    cosyvoice = next(m for m in listed if "CosyVoice" in m.model)
    assert cosyvoice.used_by == ("tts:cosyvoice", "embedder:campplus", "tokens:cosyvoice")
    assert any("judge:qwen14" in m.used_by for m in listed) and any(m.used_by == ("mos:all",) for m in listed)
