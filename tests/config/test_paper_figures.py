"""Every figure of the paper's construction (arXiv 2412.01078) stands in its profile, with where it comes from.

`FIGURES` is written from the paper's tables and from what was settled where it says nothing; the profile must give each
value itself, not leave it to a default, and name its source in a comment beside it or above: "paper" or "ours".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kespeechchat.config.base import EngineRef
from kespeechchat.config.flow import STAGES
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.state.segments import segments

pytestmark = pytest.mark.slow

PROFILE = Path(__file__).parents[2] / "pipelines" / "ke-speechchat.yaml"
TEXT = PROFILE.read_text(encoding="utf-8")
QWEN14, QWEN72, QWEN2 = (re.compile(rf"hub:Qwen/{n}-Instruct@") for n in ("Qwen2.5-14B", "Qwen2.5-72B", "Qwen2-72B"))

FIGURES: dict[str, tuple[str, Any]] = {
    # --- text
    "stages.ingest.max_characters": ("paper", 100),
    "stages.rewrite.directive_prompt": ("paper", "rewrite-directive"),
    "engines.llm.rewriter.model": ("paper", QWEN14),
    "engines.judge.qwen14.llm.model": ("paper", QWEN14),
    "engines.judge.qwen72.llm.model": ("paper", QWEN2),
    "engines.llm.speaker.model": ("paper", QWEN72),
    "stages.filter.safety_rules": ("ours", True),
    "stages.spoken.grounded": ("paper", False),
    "stages.spoken.max_length": ("ours", {"zh": 250, "en": 150}),
    "stages.spoken.splits": ("paper", {"dev": 2754, "test": 2481, "of": 7_000_000}),
    # --- voices
    "stages.speakers.mining.corpus_score": ("paper", {"min": 4.0, "required": True}),
    "stages.speakers.mining.min_clips": ("paper", 10),
    "stages.speakers.mining.pairs_per_two_clips": ("paper", 5),
    "stages.speakers.mining.similarity": ("paper", 0.97),
    "stages.speakers.mining.rule": ("ours", "cluster"),
    "stages.speakers.mining.cluster_share": ("ours", 0.9),
    "stages.speakers.mining.rate_step": ("paper", 0.01),
    "stages.speakers.mining.balance_genders": ("paper", True),
    "stages.speakers.mining.splits": ("ours", {"shares": {"train": 0.94, "dev": 0.02, "test": 0.04}}),
    "engines.speaker.wavlm.model": ("paper", re.compile("hub:microsoft/wavlm-base-plus-sv@")),
    "stages.clips.auditor": ("ours", "ecapa"),
    "stages.blend.blending.users": ("paper", {"train": 41_700, "dev": 100, "test": 200}),
    "stages.blend.blending.agents_per_gender": ("paper", 1),
    "stages.blend.blending.weight_min": ("ours", 0.4),
    "stages.blend.blending.weight_max": ("ours", 0.6),
    "stages.blend.blending.rate_bin": ("paper", 0.01),
    "stages.blend.blending.same_language": ("paper", False),
    # --- audio
    "engines.tts.cosyvoice.use": ("paper", "cosyvoice"),
    "engines.tts.cosyvoice.version": ("paper", 1),  # 22,050 Hz
    "stages.watermark.watermark": ("paper", "audioseal"),
    "engines.asr.whisper.model.zh": ("paper", re.compile("belle-whisper-large-v3-turbo-zh")),
    "engines.asr.whisper.model.en": ("paper", re.compile("whisper-large-v3-turbo@")),
    "stages.gate.max_error": ("paper", {"zh": 0.05, "en": 0.10}),
    "rounds": ("ours", ["seed", "voice"]),
    "stages.gate.unit": ("paper", {"zh": "character", "en": "word"}),
    # --- products
    "target_hours": ("paper", {"zh": {"train": 40_000}, "en": {"train": 20_000}}),
    "partitions.sizes.XS": ("paper", {"hours": {"zh": 1000, "en": 500}}),
    "partitions.sizes.S": ("paper", {"hours": {"zh": 4000, "en": 2000}}),
    "partitions.sizes.M": ("paper", {"hours": {"zh": 10_000, "en": 5000}}),
    "partitions.sizes.L": ("paper", {"hours": {"zh": 20_000, "en": 10_000}}),
    "partitions.sizes.XL": ("paper", {"fraction": 1}),
    "subsets.asr.partition": ("paper", "S"),
    "subsets.asr.test_speakers": ("paper", 100),
    "subsets.tts.speakers": ("paper", 2000),
    "subsets.tts.utterances": ("paper", {"zh": 10, "en": 10}),
    "subsets.tts.test_speakers": ("paper", 100),
    "subsets.tts.prompts": ("paper", 1),
    "subsets.tts.test_utterances": ("paper", {"zh": 6, "en": 5}),
}


def _nodes(path: str) -> Iterator[tuple[int, yaml.Node]]:
    """(line of the key, value) of every step of `path`, the outermost first. Raises KeyError where it is not there."""
    node = yaml.compose(TEXT, Loader=yaml.SafeLoader)
    for part in path.split("."):
        found = {key.value: (key.start_mark.line, value) for key, value in node.value}
        line, node = found[part]
        yield line, node


def _source(path: str) -> str | None:
    """What the nearest comment calls the figure's source: on its line, right above, or of the group it stands in."""
    lines = TEXT.splitlines()
    for line, _ in reversed(list(_nodes(path))):
        comments = [lines[line].partition("  # ")[2]]
        while line and lines[line - 1].lstrip().startswith("#"):
            line -= 1
            comments.append(lines[line].lstrip("# "))
        for comment in comments:
            if named := re.match(r"(paper|ours)\b", comment, re.IGNORECASE):
                return named[1].lower()
    return None


@pytest.fixture(scope="module")
def paper() -> Pipeline:
    return load_pipeline(PROFILE)


@pytest.mark.parametrize("path", FIGURES)
def test_a_figure_stands_in_the_profile_with_its_source(path: str):
    source, expected = FIGURES[path]
    value = yaml.safe_load(TEXT)
    for part in path.split("."):
        value = value[part]
    if isinstance(expected, re.Pattern):
        assert expected.search(value), value
    else:
        assert value == expected
    assert _source(path) == source


def test_sums_of_the_papers_figures(paper: Pipeline):
    blending, sizes = paper.stages.blend.blending, paper.partitions.sizes
    assert sum(blending.users.values()) + 2 * blending.agents_per_gender == 42_002
    assert all(blending.users[split] % 2 == 0 for split in ("dev", "test")), "half of them female"
    assert list(sizes) == ["XS", "S", "M", "L", "XL"]
    assert paper.stages.speakers.mining.measured_score is None, "DNSMOS over 4.0 is the corpus's own score"
    assert paper.subsets.tts.speakers + 2 * blending.agents_per_gender == 2002
    assert paper.engines.tts["cosyvoice"].model == paper.engines.embedder["campplus"].model


def test_each_figure_is_that_of_the_engine_its_stage_names(paper: Pipeline):
    stages = paper.stages
    assert (stages.rewrite.llm, stages.spoken.llm) == ("rewriter", "speaker")
    assert {c.prompt: c.judge for c in stages.filter.criteria} == {
        "suitable": "qwen14",
        "clear": "qwen14",
        "safe": "qwen72",
    }
    assert (stages.clips.speaker, stages.clips.embedder) == ("wavlm", "campplus")
    assert stages.synthesize.tts == stages.audition.tts == "cosyvoice"
    assert stages.watermark.watermark == stages.measure.watermark
    assert stages.measure.asr == "whisper" and re.fullmatch("[0-9a-f]{4}", stages.watermark.payload)


def test_the_response_is_asked_for_in_a_hundred_words_and_may_be_somewhat_longer(paper: Pipeline):
    spoken = paper.prompts["spoken"]
    assert "at most one hundred words" in spoken["en"]["system"] and paper.stages.spoken.max_length["en"] > 100
    assert "不超过一百五十个字" in spoken["zh"]["system"] and paper.stages.spoken.max_length["zh"] > 150


def _on_gpus(settings: Any) -> bool:
    """Whether an engine, or one inside it, says that it runs on a GPU."""
    if isinstance(settings, dict):
        own = settings.get("device") == "cuda" or settings.get("use") == "vllm"
        return own or any(map(_on_gpus, settings.values()))
    return isinstance(settings, list) and any(map(_on_gpus, settings))


def test_a_stage_asks_for_gpus_where_its_engines_run_on_them_and_nowhere_else(paper: Pipeline):
    for unit in paper.units:
        named = [r for stage in unit for r in paper.settings_of(stage).references()]
        engines = [
            paper.engine(m.capability, name).model_dump(mode="json") for m, name in named if type(m) is EngineRef
        ]
        assert (paper.resources_of(unit.first).num_gpus > 0) == _on_gpus(engines), unit


def test_what_a_phase_holds_at_once_is_told_right(paper: Pipeline):
    """The comment over `resources`: of each phase the largest sum over units that run overlapped."""
    held = {phase.name: 0 for phase in paper.phases}
    for segment in segments(paper):
        pools = [paper.resources_of(unit.first) for unit in segment]
        (name,) = (p.name for p, units in zip(paper.phases, paper.units_by_phase, strict=True) if segment[0] in units)
        held[name] = max(held[name], sum(pool.min_actors * pool.num_gpus for pool in pools))
    assert ", ".join(f"{name} {gpus:g}" for name, gpus in held.items()) in TEXT


def test_every_stage_has_its_resources(paper: Pipeline):
    fused = {stage for unit in paper.units for stage in unit.stages[1:]} | {"interleaved"}
    assert not fused & set(paper.resources), "a unit has the resources of its first stage"
    assert set(STAGES) - set(paper.resources) == {"watermark"}, "it is fused to synthesize"
