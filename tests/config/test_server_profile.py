"""pipelines/server.yaml is the quick start but for the text."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from kespeechchat.config.load import load_pipeline
from tests.conftest import ROOT
from tests.scripts.loaded import script

SERVER = ROOT / "pipelines" / "server.yaml"


@pytest.fixture(scope="module")
def profile() -> ModuleType:
    return script("server_profile")


def test_the_file_is_fresh(profile, capsys):
    assert profile.main(["--check"]) == 0, capsys.readouterr().err


def test_a_changed_quick_start_is_noticed(profile, tmp_path, monkeypatch, capsys):
    changed = tmp_path / "quickstart.yaml"
    changed.write_text(profile.FROM.read_text(encoding="utf-8").replace("padding: 6", "padding: 7"), encoding="utf-8")
    monkeypatch.setattr(profile, "FROM", changed)
    assert profile.main(["--check"]) == 1
    assert "python scripts/server_profile.py" in capsys.readouterr().err


def test_its_text_is_what_the_flag_makes_of_the_quick_start(quickstart: Path):
    profile = load_pipeline(SERVER)
    flagged = load_pipeline(quickstart, llm="http://127.0.0.1:8000/v1", model="Qwen2.5-7B-Instruct")
    ours, theirs = profile.stages.model_dump(mode="json"), flagged.stages.model_dump(mode="json")
    for stage in ("rewrite", "spoken"):
        ours[stage].pop("llm"), theirs[stage].pop("llm")
    assert ours == theirs and profile.prompts == flagged.prompts


def test_the_rest_is_the_quick_starts(quickstart: Path):
    profile, start = load_pipeline(SERVER), load_pipeline(quickstart)
    ours, theirs = profile.engines.model_dump(mode="json"), start.engines.model_dump(mode="json")
    assert {name for name in ours if ours[name] != theirs[name]} == {"llm"}
    for part in ("instructions", "speech", "rounds", "partitions", "phases", "resources", "guards", "seed"):
        assert getattr(profile, part) == getattr(start, part), part
    assert not [d for d in profile.departures if "270M" in d.here]
    assert not [entry for entry in profile.licences if "Gemma" in entry.name]
