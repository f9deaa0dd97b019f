"""ROOT in an object store, against a real S3 server."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kespeechchat.records import SCHEMAS, Outcome
from kespeechchat.store import commit as c
from kespeechchat.store.interface import StoreError
from kespeechchat.store.opening import open_store
from kespeechchat.store.remote import RemoteStore
from kespeechchat.store.shards import read_table, to_parquet
from tests.store.racing import one_of_many_wins
from tests.store.s3_server import BUCKET, KEY, SECRET

pytestmark = pytest.mark.slow

FP = "0123456789ab"


@pytest.fixture
def root(s3_root) -> str:
    return s3_root


def _record(attempt: str) -> c.CommitRecord:
    return c.CommitRecord("committed", "gate", 7, FP, 0, attempt, counts={"gate": c.Counts(1, 1)})


def _data() -> bytes:
    return to_parquet([("ingest", Outcome({"id": "s-1", "instruction": "Hi"}))], SCHEMAS["ingest"])


@pytest.mark.slow
def test_of_many_racing_creators_one_wins(root):
    one_of_many_wins(open_store(root), 24)


def test_put_get_list_delete(root):
    store = open_store(root)
    with pytest.raises(FileNotFoundError, match="s/a"):
        store.get("s/a")
    with pytest.raises(FileNotFoundError, match="s/a"):
        store.get_range("s/a", 0, 1)
    for key in ("s/b", "s/a", "s/deep/c", "st/other"):
        store.put(key, b"1")
    store.put("s/a", b"22")
    store.put("s/b", b"bytes")
    assert store.get_range("s/b", 1, 3) == b"yte"
    store.put("s/b", b"1")
    assert list(store.list("s")) == [("s/a", 2), ("s/b", 1), ("s/deep/c", 1)]
    store.delete("s/a")
    store.delete("s/a")
    assert [key for key, _ in store.list("s")] == ["s/b", "s/deep/c"]
    assert list(store.list("nothing")) == []


def test_the_loser_of_a_race_deletes_its_own_data(root):
    store = open_store(root)
    first = c.commit(store, "gate", _record("a" * 16), _data())
    assert c.commit(store, "gate", _record("b" * 16), _data()) == first
    assert [key for key, _ in store.list("gate/data")] == [first.file]
    assert read_table(store, "gate", first)["id"].to_pylist() == ["s-1"]


def test_credentials_come_from_the_environment_and_wrong_ones_are_told(root, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match="credentials in the environment"):
        open_store(root).put("x", b"1")
    with pytest.raises(StoreError, match="belong in the environment"):
        open_store(f"s3://{KEY}:{SECRET}@{BUCKET}/x")


def test_a_store_that_overwrites_instead_of_refusing_is_refused(root):
    class Overwrites(RemoteStore):
        """What a store does that ignores If-None-Match."""

        def _create(self, key: str, data: bytes) -> None:
            self.put(key, data)

    with pytest.raises(StoreError, match="conditional puts"):
        c.commit(Overwrites(root), "gate", _record("a" * 16), _data())
    assert c.list_commits(open_store(root), "gate").committed == {}


@pytest.mark.slow
def test_a_build_on_an_object_store(root, tmp_path, quickstart):
    file = tmp_path / "questions.jsonl"
    file.write_text(
        "".join(
            f'{{"instruction": "How high is hill number {n}?", "output": "Higher than the next."}}\n' for n in range(4)
        )
    )

    def kesc(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "kespeechchat", *words]
        return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))

    ask = ["build", str(quickstart), "--root", root, "--input", str(file), "--stage", "ingest", "--inline"]
    ask += ["--set", "instructions.shard_size=2"]
    first = kesc(*ask)
    assert first.returncode == 0, first.stderr
    assert "2 shards built" in first.stdout
    assert "2 shards built" not in kesc(*ask).stdout
    assert len(c.list_commits(open_store(root), "ingest").committed) == 2
    assert kesc("verify", "--root", root).returncode == 0
