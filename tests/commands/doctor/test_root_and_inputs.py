"""`kesc doctor` on ROOT, its free space and the inputs: what it finds, and the fix it names."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.commands.doctor import inputs
from kespeechchat.commands.doctor import root as root_check
from kespeechchat.config.load import load_pipeline
from kespeechchat.records import Audio
from kespeechchat.store.audio import write_wav
from kespeechchat.store.opening import open_store

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def make(tmp_path, quickstart):
    """A pipeline whose inputs and ROOT lie in the test's folder."""
    questions(tmp_path / "questions.jsonl", 8)
    recipe(tmp_path / "speech.yaml", 10)

    def pipeline(*settings: str, root: str | None = None):
        speech = f"speech.inputs=[{{path: {tmp_path / 'speech.yaml'}}}]"
        files = [] if any("instructions.inputs" in s for s in settings) else [tmp_path / "questions.jsonl"]
        settings = (speech, "stages.blend.blending.same_language=false", *settings)
        return load_pipeline(quickstart, settings, inputs=files, root=root or str(tmp_path / "root"))

    return pipeline


def _by_check(findings) -> dict[str, object]:
    return {f.check.split()[0] if not f.check.startswith("input") else f.check: f for f in findings}


def _inputs(pipeline):
    findings, walk = [], inputs.check(pipeline)
    while True:
        try:
            findings.append(next(walk))
        except StopIteration as end:
            return findings, end.value


def test_a_sound_root_is_left_as_it_was(make, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1e12, 0, 9e9))  # not of the machine that tests
    found = _by_check(root_check.check(make()))
    assert found["ROOT"].ok
    assert found["free"].ok
    assert "not known until it is measured" in found["free"].message
    assert not [p for p in (tmp_path / "root").rglob("*") if p.is_file()]


def test_a_root_that_cannot_be_written(make, tmp_path):
    (tmp_path / "file").write_text("")
    (root,) = root_check.check(make(root=str(tmp_path / "file")))
    assert (root.ok, "ROOT must be a folder" in root.message, "--root" in root.fix) == (False, True, True)


def test_a_store_that_overwrites(make, monkeypatch):
    monkeypatch.setattr("kespeechchat.store.local.LocalFolder.create", lambda self, key, data: self.put(key, data))
    (root,) = root_check.check(make())
    assert not root.ok
    assert "lets two workers create the same object" in root.message
    assert "conditional puts" in root.fix


@pytest.mark.parametrize(("built", "free", "well"), [(False, 1e9, False), (False, 9e9, True), (True, 1e4, False)])
def test_free_space_is_held_against_what_the_build_takes(make, monkeypatch, built, free, well):
    if built:
        fill(make(), open_store(make().root))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1e12, 0, free))
    pipeline = make("instructions.limit=null") if not built else make()
    if built:  # the same profile on a thousand times as many rows
        questions(Path(pipeline.instructions.inputs[0].path), 8000)
    space = _by_check(root_check.check(pipeline))["free"]
    assert space.ok is well
    assert ("by the figures of" in space.message) is built


def test_rows_are_counted_and_malformed_ones_told(make, tmp_path):
    with open(tmp_path / "questions.jsonl", "a") as file:
        file.write('{"no": "instruction"}\n{broken\n')
    findings, rows = _inputs(make())
    assert [f.ok for f in findings] == [True, True]
    assert "10 rows parsed: zh 4, en 4, malformed 2; the first: questions.jsonl:9" in findings[0].message
    assert {language: len(found) for language, found in rows["instructions"].items()} == {"zh": 4, "en": 4}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no usable row: 0 rows parsed"),
        ("nonsense\n" * 3, "no usable row: 3 rows parsed: none is usable, malformed 3"),
        ('{"instruction": "How high is it?"}\n' + "nonsense\n" * 3, "most rows cannot be read"),
    ],
)
def test_a_file_of_nothing_useful_fails(make, tmp_path, content, told):
    (tmp_path / "questions.jsonl").write_text(content)
    findings, _ = _inputs(make())
    assert not findings[0].ok
    assert told in findings[0].message
    assert findings[0].fix


def test_missing_and_unknown_files_fail_each_for_itself(make, tmp_path):
    (tmp_path / "rows.docx").write_text("instruction\n")
    listed = ", ".join(f"{{path: {tmp_path / name}}}" for name in ("none.jsonl", "rows.docx", "questions.jsonl"))
    findings, _ = _inputs(make(f"instructions.inputs=[{listed}]"))
    assert [f.ok for f in findings] == [False, False, True, True]
    assert "no such input file" in findings[0].message
    assert "rows.docx" in findings[1].message


def test_clips_that_cannot_be_read_fail(make, tmp_path):
    write_wav(tmp_path / "a.wav", Audio(np.zeros(8000, dtype=np.float32), 16_000))
    rows = [{"recording": "r", "language": "en", "path": name} for name in ("a.wav", "gone.wav")]
    (tmp_path / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    findings, _ = _inputs(make(f"speech.inputs=[{{path: {tmp_path / 'clips.jsonl'}}}]"))
    assert not findings[1].ok
    assert "1 of 2 clips cannot be read; the first" in findings[1].message
    assert "gone.wav: no such file" in findings[1].message


def test_a_language_that_the_profile_lacks_is_reported_with_its_fix(make):
    findings, _ = _inputs(make("stages.blend.blending.same_language=true"))
    (lacks,) = [f for f in findings if not f.ok]
    assert (lacks.check, "4 rows of the instructions are zh, but no speech is" in lacks.message) == (
        "languages of synthesize",
        True,
    )
    assert "add speech to mine" in lacks.fix
