"""Whoever asks for a ROOT in which `kesc interleave` has run is told of its stages too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kespeechchat.cli import app
from kespeechchat.cli.builds import chains_of
from kespeechchat.state.saved_profile import save_profile
from kespeechchat.store.opening import open_store
from kespeechchat.store.screened import screened_branch
from tests.interleaving import PROFILE, Ear, profile, run

TEXTS = ["One of them is short, and then it goes on for some more words.", "", "<|endoftext|> is a token of theirs."]
SIZE = "interleave.shard_size=2"


def kesc(*words: object) -> tuple[int, str]:
    """(exit code, standard output)"""
    ran = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.exit_code, ran.stdout


@pytest.fixture
def root(tmp_path, ear) -> Path:
    """A ROOT of three documents, two a shard, of which `kesc build` keeps a profile and voices."""
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    pipeline = profile(tmp_path, SIZE, documents=file)
    save_profile(pipeline.of_chain("dialogues"))
    assert run(pipeline).ok
    return tmp_path / "root"


@pytest.mark.parametrize("named", [("--root",), (PROFILE, "--set", SIZE, "--root")])
def test_status_counts_its_shards_and_rows(root, named):
    found = json.loads(kesc("status", *named, root, "--json")[1])["stages"]
    spans, interleaved = found[-2:]
    assert [s["name"] for s in found[:2]] == ["ingest", "rewrite"] and interleaved["name"] == "interleaved"
    assert (spans["shards"], spans["done"], spans["rows_in"], spans["kept"]) == (2, 2, 3, 1)
    assert spans["rejected"] == {"empty": 1, "control_token": 1} and interleaved["kept"] == 1
    assert "interleaved" in kesc("status", *named, root)[1]


def test_a_root_without_it_has_no_such_stages(tmp_path, ear):
    save_profile(profile(tmp_path).of_chain("dialogues"))
    assert "interleaved" not in kesc("status", "--root", tmp_path / "root")[1]
    assert kesc("rows", "--stage", "spans", "--root", tmp_path / "root")[0] == 2


def test_a_profiles_chain_names_the_codebook_that_root_keeps(root):
    """Else its shards would all be stale: the tokenizer they were made with has one."""
    named = lambda: chains_of(PROFILE, str(root))[1].engine("tokens", "whisper").centroids  # noqa: E731
    assert named() is None
    (root / "tokens").mkdir()
    np.save(root / "tokens" / "whisper.npy", np.eye(2, dtype=np.float32))
    assert named() == str(root / "tokens" / "whisper.npy")
    (alone,) = chains_of(PROFILE, str(root), ("interleave=null",))
    assert alone.interleave is None and alone.engine("tokens", "whisper").centroids is None


def test_status_says_why_a_shard_is_stale(root):
    more = ("--set", SIZE, "--set", "interleave.stages.spans.ratio=0.5")
    code, told = kesc("status", PROFILE, *more, "--root", root, "--why", "interleaved/0")
    assert code == 0 and "spans.ratio: was 0.3, is 0.5" in told


def test_verify_reads_its_shards(root, tmp_path):
    code, told = kesc("verify", "--root", root)
    assert code == 0 and "2 shards checked, 0 problems" in told
    (tmp_path / "a.jsonl").unlink()
    assert kesc("verify", "--root", root)[0] == 0, "a document that is made is no longer needed"
    (data, *_) = sorted((root / "interleaved" / "data").iterdir())
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    code, told = kesc("verify", "--root", root)
    assert code == 1 and "interleaved shard 00000: " in told and "its sha256 is not the one" in told
    assert "the file of documents is gone" in kesc("verify", "--root", root)[1], "now it is needed again"


def test_clean_keeps_what_is_current_and_removes_what_is_stale(root, tmp_path):
    assert "0 objects" in kesc("clean", "--root", root)[1]
    before = {p.name for p in (root / "interleaved").rglob("*") if p.is_file()}
    other = profile(tmp_path, SIZE, "interleave.stages.spans.ratio=0.5", documents=tmp_path / "a.jsonl")
    assert run(other).ok
    code, told = kesc("clean", "--root", root, "--yes")
    after = {p.name for p in (root / "interleaved").rglob("*") if p.is_file()}
    assert code == 0 and "superseded: interleaved/commits/shard-00000" in told and not before & after - {"rollup.json"}
    assert not run(other).built, "nothing that is current is gone"
    assert kesc("verify", "--root", root)[0] == 0


def test_clean_keeps_the_dialogues_screening_that_the_other_chain_never_had(root, tmp_path):
    store, keys = open_store(str(root)), []
    for threshold in (0.8, 0.6):
        saved = profile(tmp_path, SIZE, f"instructions.near_duplicates={{threshold: {threshold}}}")
        keys.append(f"plan/{screened_branch(saved.screening)}/00000.json")
        store.put(keys[-1], b'{"number": 0, "inputs": {}}')
    save_profile(saved.of_chain("dialogues"))  # the documents' profile has the first one
    told = kesc("clean", "--root", root)[1]
    assert f"superseded: {keys[0]}" in told and keys[1] not in told


def test_show_tells_a_documents_way(root):
    listed = kesc("rows", "--stage", "spans", "--format", "jsonl", "--root", root)[1].splitlines()
    ids = {row["line"]: row["id"] for row in map(json.loads, listed)}
    code, told = kesc("show", ids[1], "--root", root)
    assert code == 0 and f"as read: {TEXTS[0]}" in told and "line 1 of a.jsonl (source a), shard 0" in told
    assert "speech: '" in told and "by voice v" in told and "engine of interleaved.tokens: model no model" in told
    code, told = kesc("show", ids[3], "--root", root)
    assert code == 0 and "rejected: control_token" in told
    assert kesc("show", "nobody", "--root", root)[0] == 2


def test_errors_and_rows_list_its_documents(root, tmp_path, monkeypatch):
    assert kesc("errors", "--root", root) == (0, "0 errors\n")
    code, told = kesc("rows", "--stage", "spans", "--root", root)
    assert code == 0 and "control_token" in told and "One of them is short" in told
    monkeypatch.setattr(Ear, "silent", True)
    other = profile(tmp_path, SIZE, "interleave.stages.spans.ratio=0.5", documents=tmp_path / "a.jsonl")
    assert not run(other).ok
    code, told = kesc("errors", "--root", root)
    assert code == 1 and "gave no token" in told and told.endswith("1 error\n")
