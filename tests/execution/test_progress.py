"""What a build says of its progress: what was done before, and counts that go on from there."""

from __future__ import annotations

import doctest
import json
import re

import pytest

from benchmarks.recorded import questions, recipe
from kespeechchat.config.load import load_pipeline
from kespeechchat.execution import progress
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.state.orders import Built, BuiltStatus


def run(profile, folder, log_format, count: int, *settings: str) -> bool:
    """Builds `ingest` of `count` questions, one a shard; whether all went well."""
    file, speech = questions(folder / "questions.jsonl", count), recipe(folder / "speech.yaml", 10)
    own = [f"speech.inputs=[{{path: {speech}}}]", "instructions.shard_size=1", *settings]
    pipeline = load_pipeline(profile, own, inputs=[str(file)], root=str(folder / "root"))
    return build(pipeline, Progress(log_format, interval=0.0), ["ingest"], inline=True).ok


def test_its_examples_hold() -> None:
    assert doctest.testmod(progress).failed == 0


def test_a_resumed_build_says_what_is_done_and_counts_on(quickstart, tmp_path, capsys) -> None:
    assert run(quickstart, tmp_path, "plain", 3)
    first = capsys.readouterr().err
    assert "done before" not in first and re.findall(r"ingest: (\d/\d) shards", first) == ["1/3", "2/3", "3/3"]
    assert run(quickstart, tmp_path, "plain", 7)
    told = capsys.readouterr().err
    assert "done before: 3 of 7 shards of ingest\n" in told
    assert re.findall(r"ingest: (\d/\d) shards", told) == ["4/7", "5/7", "6/7", "7/7"]
    assert run(quickstart, tmp_path, "plain", 7)
    assert "ingest:" not in capsys.readouterr().err.replace("instructions:", "")


@pytest.mark.parametrize("error", ["", "\n", None])
def test_a_failure_without_a_message_is_told_too(capsys, error) -> None:
    shown = Progress("plain", interval=0.0)
    shown.expect({"ingest": {None: 1}}, {"ingest": 0})
    shown.built(Built("ingest", 3, None, BuiltStatus.FAILED, error=error))
    assert "ingest shard 00003 failed: " in capsys.readouterr().err


def test_the_table_names_the_command() -> None:
    assert str(Progress()._table().title).startswith("kesc build  ")
    assert str(Progress(command="interleave")._table().title).startswith("kesc interleave  ")


def test_the_log_for_machines_counts_on_too(quickstart, tmp_path, capsys) -> None:
    run(quickstart, tmp_path, "json", 2)
    capsys.readouterr()
    run(quickstart, tmp_path, "json", 4)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    lines = [event for event in events if event["level"] == "progress"]
    assert [(e["done"], e["shards"], e["done_before"]) for e in lines] == [(3, 4, 2), (4, 4, 2)]
    assert [e["kept"] for e in lines] == [1, 2] and lines[-1]["left_seconds"] == 0
    assert lines[0]["left_seconds"] > 0 and lines[0]["rows_per_second"] > 0
    assert any(e.get("message") == "done before: 2 of 4 shards of ingest" for e in events)
