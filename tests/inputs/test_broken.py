"""Input files as they come from elsewhere: broken bytes and bombs end as rows with a problem, or as one clear error."""

from __future__ import annotations

import json
import resource

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.inputs import InstructionInput, SpeechInput
from kespeechchat.config.load import ConfigError
from kespeechchat.inputs import parquet_rows
from kespeechchat.inputs.json_lines import MAX_LINE
from kespeechchat.inputs.parquet_rows import row_batches
from kespeechchat.inputs.reading import input_rows
from tests.fuzzing import broken

RECIPE = b"""recordings:
- {id: r1, language: zh, gender: F, style: {zf_001: 1.0}, clips: [one, {text: two}]}
"""
CLIPS = [{"audio": "a.wav", "recording": "r", "language": "en", "gender": "F", "dnsmos": 4.2}]


def _parquet(path, rows, **more):
    pq.write_table(pa.Table.from_pylist(rows), path, **more)
    return path


def _sound(folder, name):
    path = folder / name
    kind = path.suffix
    if kind == ".parquet":
        _parquet(path, CLIPS if "speech" in name else [{"instruction": "Why?", "input": "", "output": "So."}])
    elif kind == ".yaml":
        path.write_bytes(RECIPE)
    elif kind == ".jsonl":
        path.write_text(json.dumps(CLIPS[0] if "speech" in name else {"instruction": "Why?"}) + "\n")
    else:
        separator = "\t" if kind == ".tsv" else ","
        path.write_text("\n".join(separator.join(map(str, line)) for line in (CLIPS[0], CLIPS[0].values())) + "\n")
    return path


@pytest.mark.parametrize(
    "name", ["t.jsonl", "t.parquet", "speech.tsv", "speech.csv", "speech.jsonl", "speech.parquet", "speech.yaml"]
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_broken_bytes_are_rows_or_a_config_error(tmp_path_factory, name, data):
    path = _sound(tmp_path_factory.mktemp("in"), name)
    assert list(input_rows(_input(path)))
    path.write_bytes(data.draw(broken(path.read_bytes())))
    try:
        rows = list(input_rows(_input(path)))
    except ConfigError as error:
        assert path.name in str(error)
        return
    assert all(row.id and (row.problem or row.raw) for row in rows)


def _input(path):
    return SpeechInput(path=str(path), language="en") if "speech" in path.name else InstructionInput(path=str(path))


def test_a_column_over_the_limit_is_refused_unread(tmp_path, monkeypatch):
    path = _parquet(tmp_path / "bomb.parquet", [{"instruction": "a" * 5000}], compression="zstd")
    assert path.stat().st_size < 2000
    monkeypatch.setattr(parquet_rows, "MOST_CHUNK", 4000)
    with pytest.raises(ConfigError, match=r"bomb\.parquet: row group 0, column instruction: says it holds \d+ bytes"):
        next(row_batches(path, 10))


def test_a_text_that_every_row_refers_to_is_spelled_out_for_a_few_rows_at_once(tmp_path):
    """20,000 rows of one text of 1 MiB: 20 GiB, in a file of a few kB."""
    indices, text = pa.array([0] * 20_000, pa.int32()), pa.array(["a" * (MAX_LINE + 1)])
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"instruction": pa.DictionaryArray.from_arrays(indices, text)}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = 0
    for batch in row_batches(path, 8192, most=16 << 20):
        assert batch.nbytes < 20 << 20
        rows += len(batch)
        if rows > 100:
            break
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < 1 << 30


def test_a_row_over_the_limit_is_a_malformed_row(tmp_path):
    path = _parquet(tmp_path / "long.parquet", [{"instruction": "a" * (MAX_LINE + 1)}, {"instruction": "Why?"}])
    long, sound = input_rows(InstructionInput(path=str(path)))
    assert "long.parquet:1: longer than" in long.problem and len(long.raw) <= 200
    assert sound.problem is None


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(max_size=20), max_size=40), rows=st.integers(1, 20), most=st.integers(1, 60))
def test_batches_hold_all_rows_in_order(tmp_path_factory, texts, rows, most):
    path = tmp_path_factory.mktemp("rows") / "t.parquet"
    pq.write_table(pa.table({"t": pa.array(texts, pa.string()), "n": list(range(len(texts)))}), path)
    batches = list(row_batches(path, rows, most))
    assert [row for b in batches for row in b.to_pylist()] == [{"t": t, "n": n} for n, t in enumerate(texts)]
    assert all(len(b) <= rows for b in batches)
