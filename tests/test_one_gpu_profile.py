"""pipelines/one-gpu.yaml on a Ray head that has one GPU, every engine the profile's own, on the smallest of models.

What stands in for models, inputs and the GPU is what `tests/paper_profile.py` names for the paper's profile, as far as
this profile has it too, with the models of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kespeechchat.config.flow import STAGES
from kespeechchat.config.load import load_pipeline
from tests import paper_profile
from tests.engines import tiny_cosyvoice
from tests.gpu_head import kesc, ray_head
from tests.paper_profile import ROOT

PROFILE = ROOT / "pipelines" / "one-gpu.yaml"
CPUS = 12
OWN_MODELS = {
    "engines.llm.qwen.model": "llm",
    "engines.judge.qwen.llm.model": "llm",
    "engines.tts.cosyvoice.model": "cosyvoice2",
    "engines.embedder.campplus.model": "cosyvoice2",
    "engines.asr.whisper.model": "whisper",
    "engines.speaker.ecapa.model": "ecapa",
}
OWN = {
    "engines.llm.qwen.enforce_eager": "true",
    "engines.judge.qwen.llm.enforce_eager": "true",
    "resources.measure.seconds_per_row": "600",  # a GPU's are 30
    "rounds": "[voice]",  # one of two rounds: each has the stages of the other
}


def _overrides(folder: Path) -> tuple[str, ...]:
    """`--set` options that let the shipped profile run here, on what was written to `folder`."""
    data = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    given = dict(word.split("=", 1) for word in paper_profile.overrides(folder))
    shared = {key: value for key, value in given.items() if not key.startswith("engines.") or _there(data, key)}
    return tuple(f"{k}={v}" for k, v in {**shared, **OWN, **{k: folder / v for k, v in OWN_MODELS.items()}}.items())


def _there(data: object, key: str) -> bool:
    for part in key.split(".")[:-1]:
        data = data[int(part)] if isinstance(data, list) else data.get(part) if isinstance(data, dict) else None
    return isinstance(data, dict) and key.rpartition(".")[2] in data


def test_what_runs_here_is_the_shipped_profile_but_for_its_stand_ins(tmp_path):
    shipped, here = load_pipeline(PROFILE), load_pipeline(PROFILE, _overrides(tmp_path))
    assert here.phases == shipped.phases and here.prompts == shipped.prompts and here.guards == shipped.guards
    for stage, wanted in shipped.resources.items():
        assert here.resources[stage].num_gpus == wanted.num_gpus, stage
    assert here.engine("tts", "cosyvoice").version == 2 and here.engine("llm", "qwen").use == "vllm"


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    with ray_head(gpus=1, cpus=CPUS) as env:
        yield env


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("one-gpu")
    paper_profile.write_inputs(folder)
    paper_profile.write_models(folder)
    tiny_cosyvoice.build2(folder / "cosyvoice2")
    return folder


@pytest.fixture(scope="module")
def built(cluster, folder) -> Path:
    options = [word for override in _overrides(folder) for word in ("--set", override)]
    done = kesc(cluster, "build", PROFILE, "--address", "auto", "--root", folder / "root", *options)
    assert done.returncode == 0, done.stderr[-6000:]
    return folder / "root"


@pytest.mark.vllm
@pytest.mark.timeout(3 * 3600)
def test_every_stage_runs_on_one_gpu(built, cluster):
    status = json.loads(kesc(cluster, "status", "--root", built, "--json").stdout)
    stages = {s["name"]: s for s in status["stages"]}
    rounds = ["synthesize.r1", "watermark.r1", "measure.r1", "gate.r1"]
    assert list(stages) == [*STAGES, *rounds]
    assert all(s["done"] == s["shards"] > 0 and not s["failed_rows"] for s in stages.values())
    assert kesc(cluster, "verify", "--root", built).returncode == 0
    judged = kesc(cluster, "rows", "--root", built, "--stage", "gate.r1", "--format", "jsonl")
    assert judged.returncode == 0 and "distillmos" in judged.stdout


@pytest.mark.vllm
def test_doctor_and_plan_speak_of_it(built, cluster, folder):
    options = [word for override in _overrides(folder) for word in ("--set", override)]
    planned = kesc(cluster, "plan", PROFILE, "--root", built, "--gpus", "1", "--rows", "1000", *options)
    assert planned.returncode == 0 and "need" not in planned.stdout, planned.stdout + planned.stderr
    found = kesc(cluster, "doctor", PROFILE, "--address", "auto", "--root", folder / "new", *options)
    assert found.returncode == 0, found.stdout + found.stderr
