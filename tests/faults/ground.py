"""What the fault tests share: small inputs, and what stands in a ROOT."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import sameness
from kespeechchat.store.opening import open_store

PROFILE = Path(__file__).parent.parent.parent / "pipelines" / "quickstart.yaml"


def questions(path: Path, count: int) -> Path:
    rows = [{"instruction": f"How high is hill number {n}?", "output": "Higher than the next."} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def committed(root: str | Path) -> dict[str, str]:
    """Every committed shard's record and data, as a hash, by the record's key."""
    return sameness.committed(str(root))


def ingested(root: str | Path, stage: str = "ingest") -> list[dict]:
    """The rows of every committed shard, read without the product's plan."""
    store = open_store(str(root))
    records = [json.loads(store.get(key)) for key in committed(root) if key.startswith(f"{stage}/")]
    tables = [pq.read_table(pa.BufferReader(store.get(record["file"]))) for record in records]
    return sorted(pa.concat_tables(tables).to_pylist(), key=lambda row: row["id"]) if tables else []
