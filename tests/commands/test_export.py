"""`kesc export` and `kesc release` over a build whose gated dialogues were recorded, not made."""

from __future__ import annotations

import errno
import json
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.cli import app
from kespeechchat.commands.export import Wanted, _why_nothing, export
from kespeechchat.commands.release import read_release, release
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.export.layouts.stereo import Stereo
from kespeechchat.records import Audio
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.audio import encode_flac
from kespeechchat.store.opening import open_store

pytestmark = pytest.mark.slow

RATE = 8000
VOICES = [("SPK1f", "female", "user"), ("SPK2m", "male", "user"), ("agentFemale", "female", "agent")]


def rows(order) -> list[dict]:
    """Four dialogues a shard, and the voices that they are spoken with."""
    if order.name == "voices":
        names = ("id", "gender", "role")
        same = {"parents": ["a", "b"], "nearest_speaker_cosine": 0.5}
        return [dict(zip(names, v, strict=True), xvectors=[[1.0, i]], **same) for i, v in enumerate(VOICES)]
    if order.name not in ("watermark", "gate"):
        return [{"id": f"{order.name}-{order.key.shard}"}]
    return [_dialogue(order, i) for i in range(4)]


def _dialogue(order, i: int) -> dict:
    turns = []
    for role, voice in (("user", VOICES[i % 2][0]), ("agent", "agentFemale")):
        samples = 800 + 80 * i + 40 * order.key.shard
        turn = {"role": role, "voice": voice, "text": f"Text {order.key.shard}-{i} {role}.", "sample_rate": RATE}
        turn |= {"seconds": samples / RATE, "seed": 1, "tries": 1}
        if order.name == "watermark":
            turn["audio"] = encode_flac(Audio(np.full(samples, 0.1, dtype=np.float32), RATE))
        else:
            turn |= {"transcript": turn["text"], "error_rate": 0.0, "watermark_score": 1.0, "scores": []}
        turns.append(turn)
    row = {"id": f"q-{order.key.shard}-{i}", "source": "q", "language": order.language, "split": "train"}
    if order.name == "gate":
        seconds = sum(t["seconds"] for t in turns)
        row |= {"metric": "WER", "error_rate": 0.0, "edits": 0, "units": 4, "seconds": seconds}
    return {**row, "turns": turns}


@pytest.fixture
def build(tmp_path, quickstart):
    """Makes a build of so many questions, recorded to the end; called again, it grows."""
    speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"

    def make(count: int):
        file = questions(tmp_path / "questions.jsonl", count)
        sizes = ("instructions.shard_size=4", "partitions.sizes={XS: {fraction: 0.3}, XL: {fraction: 1}}")
        overrides = (speech, *sizes, "rounds=[voice]")
        pipeline = load_pipeline(quickstart, overrides, inputs=[file], root=str(tmp_path / "root"))
        store = open_store(pipeline.root)
        fill(pipeline, store, rows=rows)
        return pipeline, store

    return make


def ids(folder: Path, partition: str) -> set[str]:
    return set(json.loads((folder / "partitions" / f"{partition}.json").read_text())["ids"])


def test_a_release_is_kept_while_the_data_grows(build, tmp_path):
    pipeline, store = build(16)
    assert "releases/v1.json" in release(pipeline, store, "v1")
    export(pipeline, store, str(tmp_path / "old"), Wanted(audio=False))
    frozen = store.get("releases/v1.json")
    assert "same partitions" in release(pipeline, store, "v1")
    pipeline, store = build(40)
    told = release(pipeline, store, "v1")
    assert "never changed" in told and "dialogues released" in told and "GONE" not in told
    assert store.get("releases/v1.json") == frozen
    export(pipeline, store, str(tmp_path / "new"), Wanted(audio=False, release="v1"))
    first, of_old = read_release(store, "v1").cuts.first, ids(tmp_path / "old", "XL")
    for name in ("XS", "XL"):
        old, new = ids(tmp_path / "old", name), ids(tmp_path / "new", name)
        assert old <= new and new & of_old == old
    assert set(first) == {v for v, *_ in VOICES}


def test_a_release_wants_whole_data_and_a_good_name(build):
    pipeline, store = build(8)
    (gate, *_) = [key for key, _ in store.list("gate/commits")]
    store.delete(gate)
    with pytest.raises(ConfigError, match=r"1 shard is not gated yet.*--allow-partial"):
        release(pipeline, store, "v1")
    assert "released v1" in release(pipeline, store, "v1", allow_partial=True)
    for way in (lambda: release(pipeline, store, "../x"), lambda: export(pipeline, store, "x", Wanted(release="../x"))):
        with pytest.raises(ConfigError, match=r"release '\.\./x'"):
            way()
    with pytest.raises(ConfigError, match=r"no release 'v2'.*there is v1"):
        export(pipeline, store, "unused", Wanted(release="v2"))


def test_gated_rows_in_parts_are_the_rows(build):
    rows_ = FinishedRows(*build(80))
    parts = pickle.loads(pickle.dumps(rows_.parts()))  # as another process gets them
    assert len(parts) > 1 and sum(len(p.shards) for p in parts) == 2 * 20  # the shards of both rounds
    columns = ("split", "turns.list.element.text")
    read = [row for part in parts for row in part.rows(columns)]
    whole = [(r["id"], r["split"], [{"text": t["text"]} for t in r["turns"]]) for r in rows_]
    assert [(r["id"], r["split"], r["turns"]) for r in read] == whole


@pytest.mark.parametrize("layout", ["ke-speechchat", "huggingface", "webdataset", "lhotse", "stereo", "ke-omni"])
def test_every_layout_from_the_command_line(build, tmp_path, layout):
    pipeline, _ = build(8)
    told = _kesc("export", "--root", pipeline.root, "--to", str(tmp_path / "x"), "--format", layout)
    first = told.splitlines()[0]
    assert first.startswith(f"{layout}: 8 dialogues, en 0.0003 h, zh 0.0003 h, about ")
    assert f"export: {tmp_path / 'x'} (8 dialogues" in told
    assert ("stage 1 alone" in told) is (layout == "ke-omni")
    assert [p for p in (tmp_path / "x").rglob("*") if p.suffix in (".wav", ".flac", ".tar", ".parquet")]


@pytest.mark.parametrize("layout", ["whisper", "cosyvoice"])
def test_a_layout_of_a_part_says_how_much_it_is_at_most(build, tmp_path, layout):
    pipeline, _ = build(8)
    scene = ["--scene", "clean"] if layout == "whisper" else []  # eight dialogues are too few for babble
    told = _kesc("export", "--root", pipeline.root, "--to", str(tmp_path / "x"), "--format", layout, *scene)
    assert told.splitlines()[0].startswith(f"{layout}: 8 dialogues, en 0.0003 h, zh 0.0003 h, at most ")
    assert {"whisper": "in the ASR subset", "cosyvoice": "in the TTS subset"}[layout] in told


def test_a_layout_that_finds_nothing_to_write_ends_in_1(build, tmp_path):
    pipeline, _ = build(8)
    told = _kesc("export", "--root", pipeline.root, "--to", str(tmp_path / "x"), "--format", "preference", code=1)
    assert "preference: nothing is written; no pairs" in told
    assert not (tmp_path / "x").exists()


def test_what_leaves_an_export_is_told_with_the_state_of_its_shards(build, tmp_path):
    pipeline, _ = build(8)
    words = ("export", "--root", pipeline.root, "--to", str(tmp_path / "x"))
    _kesc(*words)
    before = len(_wavs(tmp_path / "x"))
    next((Path(pipeline.root) / "gate" / "commits").iterdir()).unlink()
    told = _kesc(*words)
    left = len(_wavs(tmp_path / "x"))
    assert before > left > 0 and f"{before - left} files of an earlier export removed: " in told
    assert f"0 files written, {left} of an earlier run kept" in told
    assert "shard of the gate is pending, stale or failed, so not exported" in told
    assert "**Unfinished:** 1 shard was not gated when this was exported" in (tmp_path / "x/README.md").read_text()
    assert json.loads((tmp_path / "x/statistics.json").read_text())["unfinished_shards"] == 1


def test_other_content_takes_the_card_with_it_before_it_writes(build, tmp_path, monkeypatch):
    pipeline, _store = build(8)
    _kesc("export", "--root", pipeline.root, "--to", str(tmp_path / "x"), "--format", "stereo")
    monkeypatch.setattr(Stereo, "_encoded", _no_room)
    words = ("export", "--root", pipeline.root, "--to", str(tmp_path / "x"), "--format", "stereo", "--language", "en")
    assert "No space left on device" in _kesc(*words, code=2)
    assert not (tmp_path / "x/README.md").exists() and not (tmp_path / "x/LICENSE.md").exists()
    monkeypatch.undo()
    told = _kesc(*words)
    assert "removed before" not in told, "the first attempt removed them"
    back = _kesc(*words[:-2])
    assert "5 files of an earlier export removed before these were written" in back
    assert (tmp_path / "x/README.md").exists()


def _no_room(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_nothing_has_passed_yet_is_no_fault_of_the_rows():
    class Unfinished(list):
        missing = 2

    told = _why_nothing(Unfinished(), Wanted(), None)
    assert "no dialogue has passed the gate yet, and 2 shards of the gate are pending, stale or failed" in told


@pytest.mark.parametrize("layout", ["webdataset", "stereo", "lhotse", "messages", "nemo-duplex"])
def test_a_card_and_licences_come_with_every_layout(build, tmp_path, layout):
    pipeline, _ = build(8)
    _kesc("export", "--root", pipeline.root, "--to", str(tmp_path / "x"), "--format", layout)
    card = (tmp_path / "x/README.md").read_text("utf-8")
    assert "**All speech here is synthetic and watermarked.**" in card and f"Layout `{layout}`: " in card
    assert "8 dialogues; chosen from 8 dialogues" in card and "Unfinished" not in card
    for entry in pipeline.licences:
        assert entry.name in card and entry.name in (tmp_path / "x/LICENSE.md").read_text("utf-8")


@pytest.mark.parametrize("layout", ["ke-speechchat", "webdataset"])
def test_a_disk_that_is_full_is_one_line_and_the_next_run_goes_on(build, tmp_path, layout):
    """No file may be as large as an utterance: the system's own answer, of which no file's name is part."""
    pipeline, _ = build(8)
    to = tmp_path / "x"
    command = [sys.executable, "-m", "kespeechchat", "export", "--root", pipeline.root, "--to", str(to)]
    command += ["--format", layout]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))

    ran = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert ran.returncode == 2 and "Traceback" not in ran.stderr
    assert f"--to {to}: File too large (" in ran.stderr and "run the same command again" in ran.stderr
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert not list(to.rglob("*.part"))


def _wavs(folder):
    return [path for path in folder.rglob("*.wav")]


def test_one_language_and_partition_without_audio(build, tmp_path):
    pipeline, _ = build(8)
    _kesc(
        *("export", "--root", pipeline.root, "--to", str(tmp_path / "x"), "--format", "stereo"),
        *("--language", "zh", "--partition", "XS", "--no-audio"),
    )
    lines = [json.loads(x) for x in (tmp_path / "x" / "dialogues.jsonl").read_text("utf-8").splitlines()]
    assert lines and {(x["language"], x["partition"]) for x in lines} == {("zh", "XS")}
    assert not (tmp_path / "x" / "audio").exists()


def test_an_unknown_partition_names_those_there_are(build, tmp_path):
    pipeline, _ = build(8)
    said = _kesc("export", "--root", pipeline.root, "--to", str(tmp_path / "x"), "--partition", "M", code=2)
    assert "no partition 'M'; there is XS, XL" in said


def test_release_from_the_command_line(build):
    pipeline, _ = build(8)
    assert "released v1" in _kesc("release", "v1", "--root", pipeline.root)
    assert "same partitions" in _kesc("release", "v1", "--root", pipeline.root)


@pytest.mark.parametrize("command", ["export", "verify"])
def test_the_state_of_a_build_is_found_out_once(build, tmp_path, command, monkeypatch):
    pipeline, _ = build(8)
    made, init = [], BuildState.__init__

    def counted(self, *given, **named):
        made.append(self)
        init(self, *given, **named)

    monkeypatch.setattr(BuildState, "__init__", counted)
    to = ["--to", str(tmp_path / "x")] if command == "export" else []
    CliRunner().invoke(app, [command, "--root", pipeline.root, *to], catch_exceptions=False)
    assert len(made) == 1


def _kesc(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_a_folder_that_cannot_be_written_is_one_line(build, tmp_path):
    pipeline, _ = build(8)
    (tmp_path / "file").write_text("x")
    said = _kesc("export", "--root", pipeline.root, "--to", str(tmp_path / "file" / "x"), code=2)
    assert f"kesc: --to {tmp_path / 'file' / 'x'}: cannot write" in said and "Traceback" not in said


def test_a_read_only_folder_is_one_line(build, tmp_path, monkeypatch):
    pipeline, _ = build(8)
    real = Path.mkdir

    def mkdir(self, *given, **named):
        if self.is_relative_to(tmp_path / "x"):
            raise PermissionError(13, "Permission denied", str(self))  # tests may run as root, whom no mode stops
        return real(self, *given, **named)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    said = _kesc("export", "--root", pipeline.root, "--to", str(tmp_path / "x"), code=2)
    assert "Permission denied; export to a folder that you may write to" in said
