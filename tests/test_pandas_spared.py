"""A process of ours makes tables without pandas, and who asks for pandas has it."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq

from kespeechchat.inputs.parquet_rows import row_batches

_CHECKED = """
import sys
from kespeechchat.pandas_spared import spare_pandas
spare_pandas()
import pyarrow as pa, pyarrow.compute as pc
table = pa.table({"text": pa.array(["a", "b"])})
pc.binary_join_element_wise(table["text"], "x", "")
assert "pandas" not in sys.modules
assert list(table.to_pandas()["text"]) == ["a", "b"]
import pandas
"""


def test_pyarrow_finds_none_and_others_do():
    subprocess.run([sys.executable, "-c", _CHECKED], check=True)


def test_a_build_needs_none(tmp_path, quickstart):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"instruction": "Why do cats purr?", "output": "They are calm."}))
    words = ["build", quickstart, "--stage", "ingest", "--inline", "--input", rows, "--root", tmp_path / "root"]
    told = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    command = [sys.executable, "-m", "kespeechchat", *words]
    ran = subprocess.run(command, env=told, stderr=subprocess.PIPE, text=True, check=True)
    assert "pyarrow.lib" in ran.stderr and "pandas._libs" not in ran.stderr


def test_times_in_nanoseconds_are_read_without_it(tmp_path):
    """Python has no type for them."""
    time = pa.timestamp("ns", "UTC")
    inner = pa.struct([("at", time), ("took", pa.list_(pa.duration("ns")))])
    columns = {
        "at": pa.array([1_001], time),
        "talk": pa.array([[{"at": 2_002, "took": [3_003]}]], pa.list_(inner)),
        "named": pa.array([[("a", 4_004)]], pa.map_(pa.string(), time)),
        "text": pa.array(["as it is"]),
    }
    pq.write_table(pa.table(columns), tmp_path / "times.parquet")
    (batch,) = row_batches(tmp_path / "times.parquet", 10)
    (row,) = batch.to_pylist()
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    took = [(row["at"] - epoch), (row["talk"][0]["at"] - epoch), row["talk"][0]["took"][0], row["named"][0][1] - epoch]
    assert [one // datetime.timedelta(microseconds=1) for one in took] == [1, 2, 3, 4]
    assert row["text"] == "as it is"
