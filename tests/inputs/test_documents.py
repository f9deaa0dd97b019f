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
    return plan_inputs(folder, *({"path": str(file)} for file in files), size=size, root=root)


def plan_inputs(folder: Path, *inputs: dict[str, str], size: int = 3, root: str = "root") -> Manifest:
    changes = (f"interleave.shard_size={size}", f"interleave.inputs={json.dumps(inputs)}")
    pipeline = load_pipeline(PROFILE, changes, root=str(folder / root))
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
    table = tmp_path / "b.parquet"
    pq.write_table(pa.table({"text": ["another particular sentence"]}), table)
    plan(tmp_path, jsonl(tmp_path / "a.jsonl", "a very particular sentence"), table)
    written = [p for p in (tmp_path / "root").rglob("*") if p.is_file()]
    assert [p.name for p in written] == ["00000.json"], "packed files could hide a text"
    assert not any(b"particular" in p.read_bytes() for p in written)


def test_a_wrong_key_can_be_corrected(tmp_path: Path) -> None:
    other = jsonl(tmp_path / "b.jsonl", "two")
    for name, write in (("a.jsonl", _lines_of_body), ("a.parquet", _table_of_body)):
        root, file = name[2:], tmp_path / name
        write(file, ["one", "two", "three", "four"])
        wrong = {"path": str(file)} if name == "a.jsonl" else {"path": str(file), "text": "title"}
        before = plan_inputs(tmp_path, wrong, {"path": str(other)}, root=root)
        assert [row["raw"] for row in rows(before)] != ["one", "two", "three", "four", "two"]
        right = plan_inputs(tmp_path, {"path": str(file), "text": "body"}, {"path": str(other)}, root=root)
        assert [row["raw"] for row in rows(right)] == ["one", "two", "three", "four", "two"]
        assert [row["occurrence"] for row in rows(right)] == [1, 1, 1, 1, 2] and not right.standing[-1].summary[
            "problems"
        ]
        assert [s.number for s in right.shards] == [0, 1, 2]
        assert all(a.content != b.content for a, b in zip(right.shards, before.shards, strict=True)), "all are stale"


def _lines_of_body(file: Path, texts: list[str]) -> None:
    file.write_text("".join(json.dumps({"title": "x", "body": text}) + "\n" for text in texts))


def _table_of_body(file: Path, texts: list[str]) -> None:
    pq.write_table(pa.table({"title": ["x"] * len(texts), "body": texts}), file)


def test_another_source_names_the_documents_anew(tmp_path: Path) -> None:
    file = str(jsonl(tmp_path / "a.jsonl", "one"))
    plan_inputs(tmp_path, {"path": file})
    (row,) = rows(plan_inputs(tmp_path, {"path": file, "source": "books"}))
    assert row["source"] == "books" and row["id"].startswith("books-")
    plain = tmp_path / "a.txt"
    plain.write_text("one\n")
    before = plan_inputs(tmp_path, {"path": str(plain)}, root="plain")
    after = plan_inputs(tmp_path, {"path": str(plain), "text": "body"}, root="plain")
    assert after.shards == before.shards, "a line has no keys"


def test_a_file_is_named_once_and_in_one_way(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "x" / "a.jsonl", "one", "two") if _made(tmp_path / "x") else None
    for _ in range(2):
        manifest = plan(tmp_path, file, tmp_path / "x", file)
        assert [row["raw"] for row in rows(manifest)] == ["one", "two"] and len(manifest.segments) == 1
    for name, other in (("text", "body"), ("source", "books")):
        with pytest.raises(
            ConfigError, match=rf"inputs\[\].{name}: .*a.jsonl is named twice, with .* and with '{other}'"
        ):
            plan_inputs(tmp_path, {"path": str(file)}, {"path": str(file), name: other}, root="two")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_file_without_a_last_line_end_grows(tmp_path: Path, name: str, end: str) -> None:
    file = tmp_path / name
    lines = [json.dumps({"text": text}) if name == "a.jsonl" else text for text in ("one", "two", "three", "four")]
    file.write_bytes(end.join(lines[:2]).encode())
    plan(tmp_path, file)
    file.write_bytes(end.join(lines).encode())
    found = rows(plan(tmp_path, file))
    assert [(row["raw"], row["line"]) for row in found] == [("one", 1), ("two", 2), ("three", 3), ("four", 4)]
    file.write_bytes((end.join(lines) + "teen").encode())
    with pytest.raises(ConfigError, match="shard 00001 was planned of it, and that part was changed"):
        plan(tmp_path, file)


def test_what_is_planned_is_never_the_duplicate(tmp_path: Path) -> None:
    a, b = jsonl(tmp_path / "a.jsonl", "one"), jsonl(tmp_path / "b.jsonl", "two")
    plan(tmp_path, a)
    plan(tmp_path, b, a)
    jsonl(b, "two", "one", "three")
    jsonl(a, "one", "three")
    found = rows(plan(tmp_path, b, a))
    assert [(r["raw"], r["occurrence"]) for r in found] == [
        ("one", 1),
        ("two", 1),
        ("one", 2),
        ("three", 1),
        ("three", 2),
    ]


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
    assert (
        problems[1] == "a.jsonl:2: 'text' is the number 3, not text" and "has no 'text'; it has 'body'" in problems[2]
    )
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
