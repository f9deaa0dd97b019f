"""A build refuses what the screening found, counts it, and makes again no shard of which the same is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kespeechchat.cli import app
from kespeechchat.config.load import load_pipeline
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.store.opening import open_store

LONG = "How do I get from the old harbour to the railway station by bus on a Sunday?"
ASKED = [LONG, "Why do cats purr?", LONG.replace("Sunday", "Monday"), "Why is the sky blue?", "How do bees make honey?"]
SMALL = ("instructions.shard_size=2", "stages.ingest.require_reference=false")


@pytest.fixture
def ingest(tmp_path, quickstart):
    """Builds stage ingest of ASKED, in shards of two rows, with these settings; returns what `kesc status` counts."""
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps({"instruction": text, "output": "They do."}) + "\n" for text in ASKED))

    def run(*settings):
        told.clear()
        overrides = (*SMALL, *settings)
        pipeline = load_pipeline(quickstart, overrides, inputs=[str(file)], root=str(tmp_path / "root"))
        progress = Progress(quiet=True)
        progress.say = lambda text, level="info": told.append(text)
        result = build(pipeline, progress, ["ingest"], inline=True)
        ran = CliRunner().invoke(app, ["status", "--json", "--root", pipeline.root])
        stage = next(s for s in json.loads(ran.output)["stages"] if s["name"] == "ingest")
        return result.built, stage["kept"], stage["rejected"]

    told: list[str] = []
    run.told = told
    run.file = file
    run.root = str(tmp_path / "root")
    return run


OFF = "instructions.near_duplicates=null"


def test_both_are_counted_said_and_shown(ingest, tmp_path):
    bench = tmp_path / "bench.jsonl"
    bench.write_text('{"question": "Why do cats purr?", "answer": "They are calm."}\n')
    built, kept, reasons = ingest(f"instructions.exclude=[{{path: {bench}}}]")
    assert (built, kept, reasons) == (3, 3, {"near_duplicate": 1, "contaminated": 1})
    assert "instructions: 1 row rejected as near_duplicate: nearly the same as an earlier one" in ingest.told
    assert any(line.endswith("found in excluded files: bench.jsonl 1") for line in ingest.told)
    words = ["rows", "--root", ingest.root, "--stage", "ingest", "--status", "rejected", "--format", "jsonl"]
    rows = [json.loads(line) for line in CliRunner().invoke(app, words).output.splitlines()]
    details = {row["reason"]: row["detail"] for row in rows}
    assert details["contaminated"].startswith("a.jsonl:2 has 100% of its n-grams in common with bench.jsonl:1: Why do")
    assert details["near_duplicate"].startswith("a.jsonl:3 is 88% like a-")


def test_only_shards_of_which_something_else_is_refused_are_made_again(ingest, tmp_path):
    assert ingest(OFF) == (3, 5, {})
    assert ingest() == (1, 4, {"near_duplicate": 1})
    bench = tmp_path / "bench.jsonl"
    bench.write_text('{"question": "How do bees make honey?", "answer": "Slowly."}\n')
    exclude = f"instructions.exclude=[{{path: {bench}}}]"
    assert ingest(exclude) == (1, 3, {"near_duplicate": 1, "contaminated": 1})
    assert ingest(exclude) == (0, 3, {"near_duplicate": 1, "contaminated": 1})
    bench.write_text('{"question": "How do wasps build a nest?", "answer": "Slowly."}\n')
    assert ingest(exclude) == (0, 4, {"near_duplicate": 1})  # the shard that was built without it stands for it again
    assert ingest(OFF) == (0, 5, {})


def test_lines_added_later_move_no_shard_and_change_no_verdict(ingest):
    ingest()
    with open(ingest.file, "a") as out:
        out.write(json.dumps({"instruction": LONG.replace("Sunday", "Tuesday"), "output": "So."}) + "\n")
        out.write(json.dumps({"instruction": "How tall is a giraffe at birth?", "output": "Tall."}) + "\n")
    assert ingest() == (1, 5, {"near_duplicate": 2})


def test_a_look_at_root_needs_no_excluded_file(ingest, tmp_path, quickstart):
    bench = tmp_path / "bench.jsonl"
    bench.write_text('{"question": "Why do cats purr?", "answer": "They are calm."}\n')
    settings = (*SMALL, f"instructions.exclude=[{{path: {bench}}}]")
    ingest(*settings)
    bench.unlink()
    profile = load_pipeline(quickstart, settings, inputs=[str(ingest.file)], root=ingest.root)
    states = BuildState(profile, open_store(ingest.root)).states("ingest").values()
    assert {state.state for state in states} == {State.DONE}
    ran = CliRunner().invoke(app, ["verify", "--root", ingest.root])
    assert "shards checked" in ran.output, ran.output
    for pack in Path(ingest.root, "plan", "screened").rglob("*.pack"):
        pack.unlink()
    ran = CliRunner().invoke(app, ["verify", "--root", ingest.root])
    assert "what the screening found cannot be read" in ran.output


def test_a_missing_excluded_file_ends_the_build_with_one_line(ingest, quickstart):
    words = ["build", str(quickstart), "--inline", "--root", ingest.root, "--stage", "ingest"]
    words += ["--set", "instructions.exclude=[{path: nowhere.jsonl}]"]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 2
    assert "nowhere.jsonl: no such file; name one that exists, or take it out" in ran.output
