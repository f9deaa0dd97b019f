"""Documents are planned where they are: every one once, none copied, and what was changed is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.inputs.documents import shard_documents
from kespeechchat.store.interface import StoreError
from kespeechchat.store.manifest import Manifest, planned_rows
from kespeechchat.store.opening import open_store

PROFILE = Path(__file__).parents[2] / "pipelines" / "quickstart.yaml"


def plan(folder: Path, *files: Path, size: int = 3, root: str = "root") -> Manifest:
    sizes = (f"interleave.shard_size={size}",)
    pipeline = load_pipeline(PROFILE, sizes, documents=[str(f) for f in files], root=str(folder / root))
    return shard_documents(open_store(pipeline.root), pipeline)


def rows(manifest: Manifest) -> list[dict]:
    return [row for shard in manifest.shards for row in planned_rows(manifest.store, shard).to_pylist()]


def jsonl(path: Path, *texts: object) -> Path:
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), "utf-8")
    return path


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=12), st.integers(1, 5))
def test_every_document_is_planned_once_and_as_it_is(tmp_path_factory, texts: list[str], size: int) -> None:
    folder = tmp_path_factory.mktemp("documents")
    table = folder / "b.parquet"
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), table, row_group_size=2)
    found = rows(plan(folder, jsonl(folder / "a.jsonl", *texts), table, size=size))
    assert [row["raw"] for row in found] == texts + texts
    assert len({row["id"] for row in found}) == len(found)
    first = {}
    for row in found:
        key = row["id"].split("-")[1]  # the same text in another file is a duplicate too
        first[key] = first.get(key, 0) + 1
        assert row["occurrence"] == first[key]


def test_no_text_is_copied_into_root(tmp_path: Path) -> None:
    plan(tmp_path, jsonl(tmp_path / "a.jsonl", "a very particular sentence"))
    assert not any(b"particular" in p.read_bytes() for p in (tmp_path / "root").rglob("*") if p.is_file())


def test_a_file_that_grows_leaves_its_shards_as_they_are(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", "one", "two", "three", "four")
    before = plan(tmp_path, file).shards
    jsonl(file, "one", "two", "three", "four", "five", "two")
    after = plan(tmp_path, file)
    assert after.shards[:2] == before and [s.rows for s in after.shards] == [3, 1, 2]
    assert [(r["raw"], r["occurrence"]) for r in rows(after)][4:] == [("five", 1), ("two", 2)]
    assert plan(tmp_path, file).segments == after.segments, "nothing new, so no new segment"


def test_a_document_of_an_earlier_run_is_a_duplicate(tmp_path: Path) -> None:
    plan(tmp_path, jsonl(tmp_path / "a.jsonl", "one", "two"))
    found = rows(plan(tmp_path, jsonl(tmp_path / "x" / "a.jsonl", "two", "three") if _made(tmp_path / "x") else None))
    assert [(r["raw"], r["occurrence"]) for r in found] == [("one", 1), ("two", 1), ("two", 2), ("three", 1)]
    assert len({r["id"] for r in found}) == 4


def _made(folder: Path) -> bool:
    folder.mkdir()
    return True


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", "one", "two", "three", "four")
    manifest = plan(tmp_path, file)
    jsonl(file, "one", "TWO", "three", "four", "five")
    with pytest.raises(StoreError, match=r"a\.jsonl: bytes 0 to \d+ are not what was planned.*put the file back"):
        planned_rows(manifest.store, manifest.shards[0])
    with pytest.raises(ConfigError, match=r"a\.jsonl: shard 00000 was planned of it, and that part was changed"):
        plan(tmp_path, file)
    jsonl(file, "one")
    with pytest.raises(ConfigError, match="was changed"):
        plan(tmp_path, file)
    file.unlink()
    with pytest.raises(StoreError, match="gone"):
        planned_rows(manifest.store, manifest.shards[0])
    with pytest.raises(ConfigError, match="no such file"):
        plan(tmp_path, file)


def test_rows_that_cannot_be_read_are_kept_with_their_reason(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"text": "good"}\r\n{"text": 3}\n{"body": "x"}\n[1]\n{"te\n\xff\n\n{"text": null}')
    found = rows(plan(tmp_path, file))
    problems = [row["problem"] for row in found]
    assert [row["line"] for row in found] == list(range(1, 9)) and [problems[0], problems[6]] == [None, None]
    assert problems[1] == "a.jsonl:2: 'text' is a int, not text" and "has no 'text'; it has 'body'" in problems[2]
    assert "no keys" in problems[3] and "is no JSON" in problems[4] and "is no JSON" in problems[5]


def test_plain_text_has_a_document_a_line(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("\ufeffone\n\n二\r\nthree".encode() + b"\n\xff")
    found = rows(plan(tmp_path, file))
    assert [row["raw"] for row in found][:4] == ["one", "", "二", "three"]
    assert found[4]["problem"] == "a.txt:5: is not UTF-8 (byte 0)"


@pytest.mark.parametrize(
    ("name", "message"), [("a.jsonl.gz", "not compressed"), ("a.csv", "documents are read where they are")]
)
def test_other_kinds_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ConfigError, match=message):
        plan(tmp_path, tmp_path / name)


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"content": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r"has no column 'text'; it has content.*inputs\[\]\.text"):
        plan(tmp_path, tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="is no Parquet file"):
        plan(tmp_path, tmp_path / "b.parquet")
