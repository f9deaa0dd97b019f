"""`kesc rows` and `kesc show` over a build whose text is recorded, and whose speech is made on engines of the test."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.cli import app
from kespeechchat.commands.summary import summary
from kespeechchat.config.flow import VOICES as VOICE_STAGES
from kespeechchat.config.load import load_pipeline
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.records import Outcome, rejected
from kespeechchat.store.audio import read
from kespeechchat.store.manifest import Manifest, planned_rows
from kespeechchat.store.opening import open_store
from tests.spoken_again import SEEDED, VOICES, Engines

pytestmark = pytest.mark.slow

ROUNDS = "rounds=[seed]"


class Built:
    """A build of eight questions, four a language, and the first of them once more. One question is refused by the
    filter; English is understood the second time."""

    def __init__(self, folder: Path, profile: Path, behaves, monkeypatch) -> None:
        file = questions(folder / "questions.jsonl", 8)
        with file.open("a", encoding="utf-8") as out:
            out.write(file.read_text("utf-8").splitlines()[0] + "\n")
        self.root, self.profile, self.folder = str(folder / "root"), profile, folder
        engines = Engines()
        engines.mumbles = lambda u, before: before == 0 and u.text.startswith("What")
        monkeypatch.setattr("kespeechchat.stages.base._loaded", {})
        monkeypatch.setattr("kespeechchat.stages.base.load", lambda settings: engines)
        behaves("rewrite", _rewritten)
        behaves("filter", _filtered)
        behaves("spoken", _spoken)
        recipe(folder / "speech.yaml", 10)
        fill(self.pipeline(), open_store(self.root), VOICE_STAGES, _voices)
        build(self.pipeline(), Progress(quiet=True), (), inline=True)

    def pipeline(self, *settings: str):
        own = (
            f"speech.inputs=[{{path: {self.folder / 'speech.yaml'}}}]",
            "instructions.shard_size=3",
            "stages.rewrite.variants=2",
            "stages.blend.blending.same_language=false",
            "stages.measure.mos=null",
            "stages.synthesize.tries=1",
            "stages.gate={max_error: {zh: 0.05, en: 0.1}}",
            "guards={}",
            ROUNDS,
            "stages.measure.auditor=null",
            "stages.gate.min_own_voice=null",
            SEEDED,
        )
        inputs = [self.folder / "questions.jsonl"]
        return load_pipeline(self.profile, (*own, *settings), inputs=inputs, root=self.root)

    @property
    def ids(self) -> dict[str, str]:
        """Planned question → id."""
        store = open_store(self.root)
        rows = [r for s in Manifest(store, "instructions").shards for r in planned_rows(store, s).to_pylist()]
        return {json.loads(r["raw"])["instruction"]: r["id"] for r in rows if r["occurrence"] == 1}


def _rewritten(task):
    for row in task.rows:
        for k in range(2):
            out = {n: row.get(n) for n in ("source", "file", "line", "language", "task", "instruction")}
            yield Outcome({**out, "id": f"{row['id']}-v{k}", "parent": row["id"], "question": row["instruction"]})


def _filtered(task):
    for row in task.rows:
        verdict = {"criterion": "clear", "passed": "3" not in row["question"], "score": 0.25}
        out = {**{n: row.get(n) for n in ("source", "language", "question", "parent")}, "id": row["id"]}
        out["verdicts"] = [verdict]
        yield Outcome(out) if verdict["passed"] else rejected(out, "not_clear", "clear 0.25, limit 0.5")


def _spoken(task):
    for row in task.rows:
        number = "".join(c for c in row["question"] if c.isdigit()) + row["id"][-1]
        zh = task.language == "zh"
        said = f"第{number}个问题怎么样？" if zh else f"What is question number {number}?"
        told = f"第{number}个回答就是这样。" if zh else f"This is answer number {number}."
        out = {"id": row["id"], "source": "t", "language": task.language, "split": "train"}
        yield Outcome({**out, "instruction": said, "response": told})


def _voices(order):
    if order.name == "voices":
        same = {"parents": [], "nearest_speaker_cosine": 0.5}
        return [{**voice, **same, "xvectors": [[1.0, i]]} for i, voice in enumerate(VOICES)]
    return [{"id": f"{order.name}-{order.key.shard}"}]


@pytest.fixture
def built(tmp_path, quickstart, behaves, monkeypatch) -> Built:
    return Built(tmp_path, quickstart, behaves, monkeypatch)


def _kesc(*words: str, code: int = 0):
    ran = CliRunner().invoke(app, list(words))
    assert ran.exit_code == code, ran.output
    return ran


def _lines(built: Built, *words: str) -> list[dict]:
    told = _kesc("rows", "--root", built.root, "--format", "jsonl", *words)
    return [json.loads(line) for line in told.output.splitlines()]


def test_rows_are_chosen_by_status_reason_language_split_and_number(built):
    assert len(_lines(built, "--stage", "ingest")) == 9
    (again,) = _lines(built, "--stage", "ingest", "--status", "rejected")
    assert (again["reason"], again["id"][-3:]) == ("duplicate", "-d2")
    refused = _lines(built, "--stage", "filter", "--reason", "not_clear")
    assert {row["status"] for row in refused} == {"rejected"} and len(refused) == 2
    assert {row["verdicts"][0]["criterion"] for row in refused} == {"clear"}
    zh = _lines(built, "--stage", "gate", "--language", "zh", "--split", "train")
    assert len(zh) == 8 and {row["language"] for row in zh} == {"zh"}
    assert _lines(built, "--stage", "gate", "--split", "dev") == []
    assert [r["id"] for r in _lines(built, "--stage", "gate", "--limit", "3")] == [
        r["id"] for r in _lines(built, "--stage", "gate")
    ][:3]
    again = _lines(built, "--stage", "gate.r1", "--status", "kept")
    assert len(again) == 6 and {row["language"] for row in again} == {"en"}


def test_a_fused_stage_has_the_rows_that_it_settled_and_passed_on(built):
    passed = _lines(built, "--stage", "synthesize")
    assert len(passed) == 14 and {(r["stage"], r["status"]) for r in passed} == {("synthesize", "kept")}
    assert "audio" not in passed[0]["turns"][0]


def test_rows_of_superseded_shards_are_not_listed(built):
    before = _lines(built, "--stage", "gate")
    build(built.pipeline("stages.gate.max_error.zh=0.5"), Progress(quiet=True), (), inline=True)
    store = open_store(built.root)
    assert len([k for k, _ in store.list("gate/data")]) > len({r["shard"] for r in before})
    assert sorted(r["id"] for r in _lines(built, "--stage", "gate")) == sorted(r["id"] for r in before)


def test_rows_as_a_table_and_as_parquet(built, tmp_path):
    table = _kesc("rows", "--stage", "filter", "--root", built.root, "--limit", "2").output.splitlines()
    assert table[0].split() == ["shard", "id", "status", "reason", "language", "text", "detail"] and len(table) == 4
    assert table[-1].startswith("the first 2 rows; more with --limit")
    to = tmp_path / "rows.parquet"
    _kesc("rows", "--stage", "gate", "--root", built.root, "--format", "parquet", "--to", str(to))
    assert pq.read_table(to).to_pylist() == _lines(built, "--stage", "gate")
    piped = _kesc("rows", "--stage", "gate", "--root", built.root, "--format", "parquet").stdout_bytes
    assert pq.read_table(io.BytesIO(piped)).num_rows == pq.read_table(to).num_rows


def test_the_closing_table_ends_in_a_command_that_shows_what_was_rejected(built):
    said = summary(built.pipeline(), open_store(built.root))
    command = next(line for line in said.splitlines() if line.startswith("each with its reason: kesc "))
    table = _kesc(*shlex.split(command.partition("kesc ")[2])).output.splitlines()
    assert [line.split()[2:4] for line in table[1:]] == [["rejected", "duplicate"]]


def test_where_there_is_no_row_the_reasons_that_there_are_are_named(built):
    rows = ("rows", "--root", built.root, "--stage")
    assert _kesc(*rows, "filter", "--reason", "cleer").output == (
        "no such rows: no row of filter was rejected as cleer; reasons there: not_clear 2\n"
    )
    assert _kesc(*rows, "filter", "--status", "failed").output == "no such rows\n"
    assert _kesc(*rows, "filter", "--reason", "cleer", "--format", "jsonl").output == ""


def test_what_cannot_be_asked_is_one_line(built, tmp_path):
    rows = ("rows", "--root", built.root, "--stage")
    assert "rows of stage filter have no split" in _kesc(*rows, "filter", "--split", "dev", code=2).output
    assert "no such stage" in _kesc(*rows, "gates", code=2).output
    assert "cannot write" in _kesc(*rows, "gate", "--to", str(tmp_path / "none" / "x"), code=2).output
    assert "no row has this id" in _kesc("show", "zzz", "--root", built.root, code=2).output
    assert "9 ids begin with it: " in _kesc("show", "questions", "--root", built.root, code=2).output


def test_a_row_is_shown_from_its_line_to_the_gate_of_its_last_round(built, tmp_path):
    id_ = built.ids["How far away is place 1?"]
    told = _kesc("show", id_[:-2], "--root", built.root, "--audio", str(tmp_path / "wav")).output
    assert told.startswith(f"{id_}\n  line 2 of questions.jsonl (source questions), en, shard ")
    for said in (
        "verdict clear: passed (0.250)",
        f"filter  {id_}-v1  kept",
        f"gate  {id_}-v0  rejected: error_rate",
        f"gate.r1  {id_}-v1  kept",
        "    text:  What is question number 10?",
        "    heard: 嗯啊",
        "    heard: What is question number 10?",
        "error rate 0.00%, watermark 1.00",
    ):
        assert f"{said}\n" in told, said
    assert "voice user-female-" in told and ", seed " in told and f"in {built.root}/watermark.r1/data/shard-" in told
    wavs = sorted(p.name for p in (tmp_path / "wav").iterdir())
    assert wavs == sorted(
        f"{id_}-v{k}{r}.{role}.wav" for k in (0, 1) for r in ("", ".r1") for role in ("user", "agent")
    )
    assert read(tmp_path / "wav" / wavs[0]).seconds > 1


def test_one_variant_and_a_refused_row_and_its_duplicate(built):
    id_ = built.ids["How far away is place 3?"]
    told = _kesc("show", f"{id_}-v1", "--root", built.root).output
    assert "filter  rejected: not_clear\n  why: clear 0.25, limit 0.5\n" in told
    assert f"{id_}-v0" not in told and "gate" not in told
    first = built.ids["第0个地方有多远？"]
    assert f"the same row again: {first}-d2\n" in _kesc("show", first, "--root", built.root).output
    assert "ingest  rejected: duplicate" in _kesc("show", f"{first}-d2", "--root", built.root).output


def test_voices_and_clips_are_shown_too(built):
    told = _kesc("show", "agent-male-0", "--root", built.root).output
    assert told.startswith("agent-male-0\n\nvoices  kept\n") and "  gender: male\n" in told
