"""A process of ours makes tables without pandas, and who asks for pandas has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

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
