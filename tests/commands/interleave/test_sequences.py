"""The sequences' folder holds nothing of the user's, and a resume writes only what is new."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from kespeechchat.commands.interleave import of_interleave, written
from kespeechchat.config.load import ConfigError
from kespeechchat.store.opening import open_store
from tests.interleaving import profile, run


def write(pipeline, to) -> str:
    return written(pipeline, open_store(pipeline.root), str(to))


def state(to) -> dict:
    """Name of each pair's file → when it was written, and what it holds."""
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in to.rglob("sequences-*")}


@pytest.mark.parametrize(
    "name", ["README.md", "tokens.json", "notes.txt", "sequences-notes.md", "data/mine.parquet", "data/README.md"]
)
def test_a_users_file_is_never_overwritten(tmp_path, ear, name):
    to = tmp_path / "mine"
    (to / name).parent.mkdir(parents=True)
    (to / name).write_text('{"begin": "my own"}')
    pipeline = profile(tmp_path)
    with pytest.raises(ConfigError, match=f"--to .*mine: holds {name}, which is none of the sequences' files"):
        of_interleave(pipeline.of_chain("dialogues"), str(to))  # before anything is built
    run(pipeline)
    with pytest.raises(ConfigError, match="name an empty folder"):
        write(pipeline, to)
    assert [p.read_text() for p in to.rglob("*") if p.is_file()] == ['{"begin": "my own"}']


def test_a_file_is_no_folder(tmp_path, ear):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(ConfigError, match=r"--to .*mine: is a file: name a folder"):
        of_interleave(profile(tmp_path), str(tmp_path / "mine"))


def test_what_is_there_of_the_same_shards_stays(tmp_path, ear):
    pipeline, to = profile(tmp_path, "interleave.shard_size=2"), tmp_path / "out"
    run(pipeline)
    told = write(pipeline, to)
    before = state(to)
    assert len(before) == 8
    (to / "sequences-00001.jsonl").unlink()
    (to / "data" / "sequences-00002.parquet").write_bytes(b"torn")
    (to / "sequences-00003.jsonl.part").write_bytes(b"half")
    (to / "tokens.json").rename(to / "tokens.json.part")  # killed before it was whole
    (to / "README.md").unlink()
    assert write(pipeline, to) == told, "the card counts all of them"
    after = state(to)
    del after["sequences-00003.jsonl.part"]
    changed = {name for name in before if before[name][0] != after[name][0]}
    assert changed == {f"sequences-{n:05d}.{kind}" for n in (1, 2) for kind in ("jsonl", "parquet")}
    assert {name: data for name, (_, data) in after.items()} == {name: data for name, (_, data) in before.items()}
    other = profile(tmp_path, "interleave.shard_size=2", 'interleave.marks={begin: "<|a|>"}')
    write(other, to)
    assert all(state(to)[name][0] != when for name, (when, _) in after.items()), "other marks are other files"
    table = pq.read_table(to / "data" / "sequences-00000.parquet").to_pylist()
    lines = [json.loads(line) for line in (to / "sequences-00000.jsonl").read_text("utf-8").splitlines()]
    assert [r["text"] for r in table] == [r["text"] for r in lines] and "<|a|><|speech_" in lines[0]["text"]
