"""A build of which nothing can come any more stops, says why, and is not well."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from benchmarks.recorded import ANY_LANGUAGE, questions, recipe
from kespeechchat.cli import app
from kespeechchat.records import Outcome, rejected
from tests.spoken_again import Ground

pytestmark = pytest.mark.slow


@pytest.fixture
def refused(tmp_path, quickstart, behaves):
    """Builds eight questions of which the filter refuses all; returns what was said, the code, and what speech was
    asked for."""
    begun: list[str] = []

    def passed(task):
        return [Outcome({"id": f"{row['id']}", "language": task.language}) for row in task.rows]

    def voices(task):
        begun.append("corpus")
        return [Outcome({"id": row["id"]}) for row in task.rows]

    behaves("rewrite", passed)
    behaves("filter", lambda task: [rejected({"id": row["id"]}, "not_clear") for row in task.rows])
    behaves("spoken", passed)
    behaves("corpus", voices)
    file, speech = questions(tmp_path / "q.jsonl", 8), recipe(tmp_path / "speech.yaml", 10)
    words = ["build", str(quickstart), "--inline", "--root", str(tmp_path / "root"), "--input", str(file)]
    words += ["--set", f"speech.inputs=[{{path: {speech}}}]", "--set", "guards={}", "--set", ANY_LANGUAGE]

    def run(*more: str):
        ran = CliRunner().invoke(app, [*words, *more])
        return ran.output, ran.exit_code, begun

    return run


def test_no_voice_is_made_for_text_of_which_nothing_is_left(refused):
    for _ in range(2):  # a second run finds everything done, and still nothing in it
        told, code, begun = refused()
        last = told.splitlines()[-1]
        assert (code, begun) == (1, []), told
        assert last.startswith("stopped: stage filter kept no row, so there is nothing to speak: filter rejected 8 as ")
        assert "all well" not in told


def test_a_corpus_of_which_every_clip_is_malformed_is_not_well(tmp_path, quickstart):
    lines = [json.dumps({"path": f"{n}.wav", "recording": "r", "text": "Hello."}) + "\n" for n in range(4)]
    (tmp_path / "m.jsonl").write_text("".join(lines))
    words = ["build", str(quickstart), "--inline", "--root", str(tmp_path / "root"), "--stage", "corpus"]
    ran = CliRunner().invoke(app, [*words, "--set", f"speech.inputs=[{{path: {tmp_path / 'm.jsonl'}}}]"])
    assert ran.exit_code == 1 and "all well" not in ran.output
    assert (
        "stage corpus kept no row, so there are no voices to speak with: corpus rejected 4 as malformed" in ran.output
    )


@pytest.mark.slow
def test_a_build_and_an_export_without_any_dialogue(tmp_path, quickstart, monkeypatch):
    ground = Ground(tmp_path, quickstart, monkeypatch)
    ground.engines.mumbles = lambda u, before: True
    result = ground.build("rounds=[seed]")
    assert not result.ok
    assert "no dialogue passed the gate: gate rejected 16 as error_rate, gate.r1 rejected 16 as" in result.lines()
    to = tmp_path / "out"
    ran = CliRunner().invoke(app, ["export", "--root", ground.pipeline().root, "--to", str(to)])
    assert (ran.exit_code, to.exists()) == (1, False), ran.output
    assert "no dialogue passed the gate, so there is nothing to export: gate rejected 16 as error_rate" in ran.output


@pytest.mark.slow
def test_one_dialogue_in_the_last_round_is_enough(tmp_path, quickstart, monkeypatch):
    ground = Ground(tmp_path, quickstart, monkeypatch)
    ground.engines.mumbles = lambda u, before: before == 0 or "第2个" not in u.text
    assert ground.build("rounds=[seed]").ok
