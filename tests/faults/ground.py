"""What the fault tests share: small inputs, what stands in a ROOT, and the processes of a build."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PROFILE = Path(__file__).parent.parent.parent / "pipelines" / "quickstart.yaml"


def questions(path: Path, count: int) -> Path:
    rows = [{"instruction": f"How high is hill number {n}?"} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def committed(root: Path, stage: str = "ingest") -> dict[str, str]:
    """Every committed shard's data, as a hash, by the name of its record."""
    found = {}
    for record in sorted((root / stage / "commits").glob("shard-*.g[0-9].json")):
        data = (root / json.loads(record.read_text())["file"]).read_bytes()
        found[record.name] = hashlib.sha256(data).hexdigest()
    return found


def ingested(root: Path, stage: str = "ingest") -> list[dict]:
    """The rows of every committed shard."""
    records = [json.loads((root / stage / "commits" / name).read_text()) for name in committed(root, stage)]
    tables = [pq.read_table(root / record["file"]) for record in records]
    return sorted(pa.concat_tables(tables).to_pylist(), key=lambda row: row["id"]) if tables else []


def descendants(pid: int) -> list[int]:
    """Process ids under `pid`, whatever session or group they moved to."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def kill_tree(pid: int) -> int:
    """SIGKILL to `pid` and all under it, the root of the tree first. Returns how many processes that were."""
    tree = [pid, *descendants(pid)]
    for each in tree:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    return len(tree)
