"""The shipped profiles load and plan; models are pinned, licences named, workers get environments and GPUs that fit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.recorded import questions, recipe
from kespeechchat.commands.models import models
from kespeechchat.config.flow import STAGES
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.store.opening import open_store
from tests import paper_profile

PROFILES = Path(__file__).parents[2] / "pipelines"
NAMES = ("quickstart", "server", "one-gpu", "ke-speechchat")
VLLM, COSYVOICE = ("rewrite", "filter", "spoken"), ("audition", "synthesize")


@pytest.fixture(scope="module")
def paper() -> Pipeline:
    return load_pipeline(PROFILES / "ke-speechchat.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_plans_on_inputs_of_ones_own(name: str, tmp_path: Path):
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"
    file = questions(tmp_path / "questions.jsonl", 12)
    pipeline = load_pipeline(PROFILES / f"{name}.yaml", (speech,), inputs=[file], root=str(tmp_path / "root"))
    store = open_store(pipeline.root)
    for branch in ("instructions", "speech"):
        shard_inputs(store, pipeline, branch)
    build_state = BuildState(pipeline, store)
    for stage in STAGES:
        states = {s.state for s in build_state.states(stage).values()}
        assert states == (set() if stage == "audition" else {State.PENDING}), (
            stage
        )  # its shards are the blend's to count


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_fuses_speech_with_its_watermark_and_names_every_licence(name: str):
    pipeline = load_pipeline(PROFILES / f"{name}.yaml")
    assert pipeline.unit_of("synthesize") == Unit.of("synthesize", "watermark")
    named = {entry.model for entry in pipeline.licences}
    assert [m.model for m in models(pipeline) if m.model not in named] == []
    assert pipeline.departures


def test_every_hub_model_is_pinned_and_every_other_says_how_to_get_it(paper: Pipeline):
    fetched = {entry.model for entry in paper.licences if entry.fetch}
    for found in models(paper):
        pinned = re.fullmatch(r"hub:[\w.-]+/[\w.-]+@[0-9a-f]{40}|package:(speechmos|distillmos)", found.model)
        assert pinned or found.model in fetched, found.model


def test_what_runs_on_a_machine_without_gpus_is_the_shipped_profile_but_for_its_stand_ins(paper: Pipeline, tmp_path):
    """What tests/test_paper_profile.py builds: phases, prompts, guards and the actors' resources are the profile's."""
    here = load_pipeline(PROFILES / "ke-speechchat.yaml", paper_profile.overrides(tmp_path))
    assert {Path(m.model).parent for m in models(here) if not m.model.startswith("package:")} == {tmp_path}
    changed = {name for name in Pipeline.model_fields if getattr(here, name) != getattr(paper, name)}
    assert changed == {"instructions", "speech", "engines", "stages", "resources"}
    free = {"runtime_env", "max_actors"}
    for stage, wanted in paper.resources.items():
        assert here.resources[stage].model_dump(exclude=free) == wanted.model_dump(exclude=free)


def test_libraries_that_exclude_each_other_run_from_environments_of_their_own(paper: Pipeline):
    python = {s: paper.resources[s].runtime_env.get("py_executable", "") for s in STAGES if s in paper.resources}
    assert {python[s] for s in VLLM} == {"/opt/kespeechchat/envs/vllm/bin/python"}
    assert {python[s] for s in COSYVOICE} == {"/opt/kespeechchat/envs/cosyvoice/bin/python"}
    assert {p for s, p in python.items() if s not in VLLM + COSYVOICE} == {""}


def test_an_actor_has_the_gpus_that_its_engines_share(paper: Pipeline):
    engines = paper.engines
    wanted = {
        "rewrite": [engines.llm[paper.stages.rewrite.llm]],
        "filter": [engines.judge[c.judge].llm for c in paper.stages.filter.criteria],
        "spoken": [engines.llm[paper.stages.spoken.llm]],
    }
    for stage, llms in wanted.items():
        assert {llm.tensor_parallel_size for llm in llms} == {paper.resources[stage].num_gpus}, stage
    shared = {llm.model: llm.gpu_memory_utilization for llm in wanted["filter"]}
    assert sum(shared.values()) <= 0.92
