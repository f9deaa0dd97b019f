"""pipelines/one-gpu.yaml: it fits one GPU at every moment, and its arithmetic is what its comments say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.commands.doctor import capacity
from kespeechchat.commands.doctor.machines import Machine, Machines
from kespeechchat.commands.models import models
from kespeechchat.commands.plan.forecast import forecast
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.resources import Resources
from kespeechchat.config.units import Unit
from kespeechchat.state.segments import segments
from kespeechchat.store.opening import open_store
from tests.conftest import ROOT

PROFILE = ROOT / "pipelines" / "one-gpu.yaml"
COMMENT = " ".join(line[1:].strip() for line in PROFILE.read_text("utf-8").splitlines() if line.startswith("#"))


@pytest.fixture(scope="module")
def profile() -> Pipeline:
    return load_pipeline(PROFILE)


class OneMachine(Machines):
    """A machine with one GPU."""

    inline = False

    def __init__(self, gpus: float, cpus: float = 12) -> None:
        self.all = [Machine("workstation", {"GPU": gpus, "CPU": cpus})]


def test_doctor_finds_that_it_fits_one_gpu_and_not_none(profile: Pipeline):
    assert [f for f in capacity.check(profile, OneMachine(1)) if not f.ok] == []
    assert [f for f in capacity.check(profile, OneMachine(0)) if not f.ok]


def test_what_runs_at_once_holds_one_gpu_at_most(profile: Pipeline):
    held = {}
    for segment in segments(profile):
        pools = [profile.resources_of(unit.first) for unit in segment]
        held[tuple(segment)] = sum(pool.max_actors * pool.num_gpus for pool in pools)
    assert max(held.values()) <= 1 + 1e-9
    sharing = [segment for segment in held if len([u for u in segment if profile.resources_of(u.first).num_gpus]) > 1]
    # only speech and its measuring, of each round
    assert {unit.first.split(".")[0] for segment in sharing for unit in segment} == {"synthesize", "measure", "gate"}
    assert Unit.of("synthesize", "watermark") in profile.units


def test_it_is_planned_on_one_gpu(tmp_path: Path):
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"
    inputs = [questions(tmp_path / "questions.jsonl", 12)]
    pipeline = load_pipeline(PROFILE, (speech,), inputs=inputs, root=str(tmp_path / "root"))
    store = open_store(pipeline.root)
    fill(pipeline, store)
    (own, *_) = forecast(pipeline, pipeline, store, gpus=1).sizes
    assert own.too_small is None
    (own, *_) = forecast(pipeline, pipeline, store, gpus=0).sizes
    assert own.too_small and "GPUs at once and there are 0" in own.too_small


def test_one_model_writes_and_judges_so_that_nothing_else_must_fit_beside_it(profile: Pipeline):
    (text,) = {m.model for m in models(profile) if any(user.startswith(("llm:", "judge:")) for user in m.used_by)}
    assert re.fullmatch(r"hub:Qwen/Qwen2\.5-14B-Instruct-AWQ@[0-9a-f]{40}", text)
    assert {c.judge for c in profile.stages.filter.criteria} == {"qwen"}
    for found in models(profile):
        assert re.fullmatch(r"hub:[\w.-]+/[\w.-]+@[0-9a-f]{40}|package:(speechmos|distillmos)", found.model)


def test_the_comment_calculates_right(profile: Pipeline):
    """A token's place in the KV cache, the tokens that fit, the hours of text and speech."""
    layers, heads, size, kilobytes = map(
        int, re.search(r"(\d+) layers x (\d+) heads x (\d+) values x 2 bytes = (\d+) kB", COMMENT).groups()
    )
    assert round(2 * layers * heads * size * 2 / 1000) == kilobytes
    share = profile.engine("llm", "qwen").gpu_memory_utilization
    assert f"{share} of 24 GB = {share * 24:.1f} GB" in COMMENT
    free = share * 24 - 10.0 - 1.5
    assert free == pytest.approx(10, abs=0.2) and round(10e6 / kilobytes, -3) == 51_000 and "51,000 tokens" in COMMENT
    tokens = 100_000 * (40 + 3 * 8) + 75_000 * 200
    assert f"= {round(tokens / 1e6)} M tokens" in COMMENT and round(tokens / 1000 / 3600) == 6
    assert "(420 h of speech)" in COMMENT and round(60_000 * 25 / 3600, -1) == 420 and "105 h" in COMMENT
    users = profile.stages.blend.blending.users
    assert sum(users.values()) == 2100 and round(2100 * 1.2 * 4 * 4 * 0.25 / 3600) == 3


def test_a_share_of_a_gpu_is_under_one_and_several_are_whole():
    assert [Resources(num_gpus=n).num_gpus for n in (0, 0.25, 1, 4)] == [0, 0.25, 1, 4]
    with pytest.raises(ValidationError, match="a share of a GPU is under 1"):
        Resources(num_gpus=1.5)
