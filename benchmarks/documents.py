"""Planning documents that stay where they are: time and memory of the pass, at two sizes, and the slope to ten million.

    python -m benchmarks.documents                       # 100,000 and 400,000 documents
    python -m benchmarks.documents --documents 2000000

Documents of some 400 characters, alternately English and Chinese, are written as JSON lines, and a quarter and all of
them are planned, each in a process of its own.

Bounds, by the slope between the two sizes: ten million documents take at most 1,800 s of CPU and 2 GiB; ROOT holds less
than a twentieth of the text. Exit code 1 where one does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.bounds import Bounds
from benchmarks.measured import PROFILE, Figures, forked
from kespeechchat.config.load import load_pipeline
from kespeechchat.inputs.documents import shard_documents
from kespeechchat.store.opening import open_store

WANTED = 10_000_000
SECONDS, MEMORY, SHARE = 1800.0, 2048.0, 0.05  # the bounds: s of CPU, MiB, of the text
_EN = "The boats of place {n} come in before the town wakes, and the gulls know it. "
_ZH = "第{n}个地方的船在小镇醒来之前就回来了，海鸥都知道。"


def main() -> int:
    """Plans both sizes and judges the slope. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=400_000)
    parser.add_argument("--shard-size", type=int, default=1000)
    parser.add_argument("--folder", help="where the files are made; default: the system's folder for temporary files")
    asked = parser.parse_args()
    bounds = Bounds()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        sizes = (asked.documents // 4, asked.documents)
        few, many = (planned(Path(name), count, asked.shard_size, bounds) for count in sizes)
    more = asked.documents - asked.documents // 4
    for what, least, most, limit, unit in (
        ("CPU", few.cpu, many.cpu, SECONDS, "s"),
        ("memory", few.memory, many.memory, MEMORY, "MiB"),
    ):
        slope = (most - least) / more
        bounds.at_most(f"{what} of planning {WANTED:,} documents, by the slope", least + slope * WANTED, limit, unit)
    return bounds.close()


def planned(folder: Path, count: int, shard_size: int, bounds: Bounds) -> Figures:
    """Plans `count` documents in a process of its own."""
    file, root = folder / f"{count}.jsonl", folder / f"root-{count}"
    with file.open("w", encoding="utf-8") as out:
        for n in range(count):
            text = (_EN * 5 if n % 2 else _ZH * 15).format(n=n)
            out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    sizes = (f"interleave.shard_size={shard_size}",)
    pipeline = load_pipeline(PROFILE, sizes, documents=[str(file)], root=str(root))
    figures, rows = forked(
        lambda: str(sum(s.rows for s in shard_documents(open_store(pipeline.root), pipeline).shards))
    )
    assert int(rows) == count, f"{rows} of {count} documents were planned"
    held = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    print(f"{count:,} documents of {file.stat().st_size:,} bytes: {figures}; {held:,} bytes in ROOT", flush=True)
    bounds.at_most(f"share of the text in ROOT, {count:,} documents", held / file.stat().st_size, SHARE)
    return figures


if __name__ == "__main__":
    sys.exit(main())
