"""The doctor on the chain of `kesc interleave`: documents, codebook, a few documents made into tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kespeechchat.commands.doctor import capacity, documents, interleaving, models, trial
from kespeechchat.commands.doctor.machines import Machines
from kespeechchat.commands.doctor.uses import units_of
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.units import Unit
from tests.interleaving import DOCUMENTS, PROFILE, SIZE, without_models

CLIP = {"gender": "female", "xvector": [1.0], "auditor_xvector": [1.0], "tts_embedding": [0.5, 0.5]}
SPOKEN = trial.Spoken({"en": [CLIP]}, ())
FITTED = "engines.tokens.whisper.centroids=fitted.npy"


@pytest.fixture
def ear(monkeypatch):
    return without_models(monkeypatch)


def profile(tmp_path: Path, *changes: str, documents=()):
    return load_pipeline(PROFILE, changes, documents=[str(d) for d in documents], root=str(tmp_path / "root"))


def looked(interleave):
    walk, found, rows = documents.check(interleave), [], None
    while rows is None:
        try:
            found.append(next(walk))
        except StopIteration as end:
            rows = end.value
    return found, rows


def tried(pipeline, rows=(), spoken=SPOKEN, blocked=()):
    found = interleaving.check(pipeline, Machines(), rows, spoken, {stage: "model x" for stage in blocked})
    return {finding.check: finding for finding in found}


# --- documents


def test_documents_are_read_where_they_are(tmp_path):
    (finding,), rows = looked(profile(tmp_path, documents=[DOCUMENTS]).interleave)
    count = len(DOCUMENTS.read_text("utf-8").splitlines())
    assert finding.ok and f"1 file, {count} documents read" in finding.message
    assert len(rows) == count and all(row["raw"] for row in rows)


def test_a_folder_is_looked_at_evenly(tmp_path):
    for n in range(50):
        (tmp_path / f"{n:02}.txt").write_text(f"Line {n} says enough.\nAnd one more of {n}.\n")
    (finding,), rows = looked(profile(tmp_path, documents=[tmp_path]).interleave)
    assert finding.ok and "50 files, 17 of them read, 34 documents read" in finding.message
    assert rows[0]["file"] == "00.txt" and rows[-1]["file"] == "48.txt"


@pytest.mark.parametrize(
    ("name", "text", "told", "fix"),
    [
        ("x.jsonl", '{"body": "A text."}\n', "x.jsonl:1: has no 'text'; it has 'body'", "interleave.inputs[].text"),
        ("x.txt", "\n \n", "no text in it: 1 file, 2 documents read", "leave it out"),
        ("x.txt.gz", "", "not compressed", "interleave.inputs"),
        ("x.parquet", "no Parquet", "is no Parquet file", "interleave.inputs"),
    ],
)
def test_documents_without_a_text_are_named(tmp_path, name, text, told, fix):
    (tmp_path / name).write_text(text)
    (finding,), rows = looked(profile(tmp_path, documents=[tmp_path / name]).interleave)
    assert not finding.ok and told in finding.message and fix in finding.fix and not rows


def test_a_file_that_is_gone_is_named(tmp_path):
    (finding,), rows = looked(profile(tmp_path, documents=[tmp_path / "none.txt"]).interleave)
    assert not finding.ok and "none.txt: no such file" in finding.message and not rows


# --- the trial


def test_documents_of_the_profile_become_tokens(tmp_path, ear):
    pipeline = profile(tmp_path, FITTED, documents=[DOCUMENTS])
    _, rows = looked(pipeline.interleave)
    found = tried(pipeline, rows)
    assert [check for check, finding in found.items() if finding.ok] == list(found)
    assert list(found) == ["trial of spans", "trial of interleaved"]
    assert "of 6 rows kept" in found["trial of spans"].message


def test_without_documents_two_of_our_own_are_tried(tmp_path, ear):
    found = tried(profile(tmp_path, FITTED))
    assert "2 of 2 rows kept" in found["trial of interleaved"].message
    assert not (tmp_path / "root").exists(), "nothing is written"


def test_an_engine_that_gives_other_tokens_than_it_has_is_named(tmp_path, ear):
    ear.beyond = SIZE
    finding = tried(profile(tmp_path, FITTED))[f"trial of {Unit(('spans', 'interleaved'))}"]
    assert not finding.ok and "is its codebook the right file?" in finding.message and "tokens:whisper" in finding.fix


def test_a_span_that_becomes_no_token_is_a_failure(tmp_path, ear):
    ear.silent = True
    finding = tried(profile(tmp_path, FITTED))["trial of interleaved"]
    assert not finding.ok and "the tokens engine gave no token" in finding.message


def test_a_codebook_to_be_fitted_is_replaced_for_the_trial(tmp_path, ear, monkeypatch):
    """The engine gets a file of the right shape, which is gone afterwards."""
    seen = []

    class Vectors:
        width = 7

        def __init__(self, settings) -> None:
            assert settings.centroids is None

    def loaded(pipeline, unit, tasks):
        place = Path(pipeline.engine("tokens", "whisper").centroids)
        seen.append((place, np.load(place).shape))
        return []

    monkeypatch.setattr(interleaving, "WhisperVectors", Vectors)
    monkeypatch.setattr(interleaving, "run_unit", loaded)
    pipeline = profile(tmp_path)
    interleaving.run_with_stand_in(pipeline, Unit(("spans", "interleaved")), [])
    ((place, shape),) = seen
    assert shape == (pipeline.engine("tokens", "whisper").clusters, 7) and not place.exists()
    ran = []
    monkeypatch.setattr(interleaving, "run_with_stand_in", lambda *_: ran.append("stand-in") or [("spans", [[]])])
    finding = tried(pipeline)["codebook of whisper"]
    assert ran and finding.ok and "the first `kesc interleave` fits it" in finding.message
    place = tmp_path / "root" / "tokens" / "whisper.npy"
    place.parent.mkdir(parents=True)
    place.touch()
    ran.clear()
    assert tried(pipeline)["codebook of whisper"].message.endswith("whisper.npy: fitted") and not ran


def test_a_codebook_that_no_object_store_can_keep_is_told(tmp_path):
    pipeline = profile(tmp_path).model_copy(update={"root": "s3://bucket/x"})
    (finding,) = tried(pipeline).values()
    assert not finding.ok and "fit the codebook in a ROOT that is a folder" in finding.message


def test_without_a_voice_or_with_a_broken_model_nothing_is_tried(tmp_path, ear):
    (finding,) = tried(profile(tmp_path, FITTED), spoken=None).values()
    assert not finding.ok and "there is no voice" in finding.message
    (finding,) = tried(profile(tmp_path, FITTED), blocked=["interleaved"]).values()
    assert not finding.ok and "see model x" in finding.message


# --- machines, environments, models


def test_the_chain_is_a_unit_and_its_models_are_looked_for(tmp_path):
    pipeline = profile(tmp_path, "engines.tokens.whisper.model=/nowhere", "engines.tokens.whisper.device=cuda")
    assert units_of(pipeline)[-1] == Unit(("spans", "interleaved"))
    found = {finding.check: finding for finding in models.check(pipeline, Machines())}
    assert not found["model /nowhere"].ok and found["model /nowhere"].blocks == {"interleaved"}
    (gpu,) = (finding for finding in capacity.check(pipeline, Machines()) if not finding.ok)
    assert gpu.check == "GPUs of interleaved" and gpu.fix.startswith("resources.spans.num_gpus: 1")
    without = pipeline.model_copy(update={"interleave": None})
    assert not [f for f in models.check(without, Machines()) if f.check == "model /nowhere"]
