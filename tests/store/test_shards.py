"""A shard's table: of a large file only what is wanted is held, and its checksum is checked all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from kespeechchat.records import SCHEMAS, Outcome, rejected
from kespeechchat.store import shards
from kespeechchat.store.commit import CommitRecord, commit, list_commits
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.shards import CorruptShard, read_table, to_parquet


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[LocalFolder, CommitRecord]:
    """A shard that counts as large."""
    monkeypatch.setattr(shards, "_HELD", 0)
    monkeypatch.setattr(shards, "_PART", 1000)
    store = LocalFolder(str(tmp_path))
    prompt = {"language": "en", "text": "x", "audio": bytes(range(256)) * 20}
    rows = [Outcome({"id": f"v-{n}", "gender": "male", "prompts": [prompt]}) for n in range(40)]
    rows[3] = rejected(rows[3].row, "private", "too near")
    data = to_parquet([("voices", row) for row in rows], SCHEMAS["voices"])
    return store, commit(store, "voices", CommitRecord("committed", "voices", 0, "f" * 12, 0, "a1"), data)


def test_columns_of_a_large_file_are_read_without_the_rest(stored, monkeypatch: pytest.MonkeyPatch):
    store, record = stored
    whole = read_table(store, "voices", record)
    read = []
    get_range = LocalFolder.get_range
    monkeypatch.setattr(LocalFolder, "get", lambda *_: pytest.fail("the whole file was read"))
    monkeypatch.setattr(LocalFolder, "get_range", lambda s, k, a, n: read.append(n) or get_range(s, k, a, n))
    table = read_table(store, "voices", record, ["gender"])
    assert table.column_names == ["id", "status", "gender"] and table.num_rows == 39
    assert table["id"].to_pylist() == whole["id"].to_pylist()
    assert sum(read[: -(-record.size // 1000)]) == record.size


@pytest.mark.parametrize("harm", ["changed", "cut", "lost"])
def test_a_large_file_that_is_not_what_was_written_is_marked_corrupt(stored, harm: str):
    store, record = stored
    data = bytearray(store.get(record.file))
    data[record.size // 2] ^= 1
    if harm == "lost":
        store.delete(record.file)
    else:
        store.put(record.file, bytes(data) if harm == "changed" else bytes(data[:-1000]))
    with pytest.raises(CorruptShard, match="missing" if harm == "lost" else "sha256"):
        read_table(store, "voices", record, ["gender"])
    assert list_commits(store, "voices").corrupt == {(0, "f" * 12): 0}
