"""Partitions, splits, statistics and the paper's JSON over generated metadata: time, peak memory, and the ratio to
merely scanning the same Parquet.

    python benchmarks/products.py [--dialogues 7000000] [--voices 42000] [--folder DIR] [--keep]

Bound: under 600 s and 6 GB on 2 cores for 7 M dialogues. Making up the metadata is not counted. The shards have the
schema and compression of stage `gate`; they are read as an export reads them, from a folder, checksums included.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kespeechchat.config.dataset import PartitionSettings
from kespeechchat.export.ke_speechchat import export
from kespeechchat.export.selection import select
from kespeechchat.records import SCHEMAS
from kespeechchat.run.gated import ahead
from kespeechchat.store.parquet import parquet_table

SHARD = 350  # dialogues, as planned by default
HELD = (2754, 2481, 7_000_000)  # dev, test, of
_WORDS = [
    "how",
    "far",
    "is",
    "the",
    "moon",
    "from",
    "here",
    "and",
    "would",
    "it",
    "take",
    "to",
    "walk",
    "there",
    "today",
]
_SIGNS = "月亮离这里有多远如果每天走一段路要走多久才能到那里"
RATE = 22_050


def voice(i: int) -> str:
    return f"SPK{i:05d}{'fm'[i % 2]}"


def text(rng: np.random.Generator, language: str, low: int, high: int) -> str:
    n = int(rng.integers(low, high))
    if language == "zh":
        return "".join(_SIGNS[i] for i in rng.integers(0, len(_SIGNS), n)) + "。"
    return " ".join(_WORDS[i] for i in rng.integers(0, len(_WORDS), n)) + "."


def shard_rows(number: int, count: int, voices: int) -> list[dict[str, Any]]:
    """Dialogues of one language with the paper's mean lengths and durations; users from `voices`, by split."""
    rng, language = np.random.default_rng(number), ("zh", "en")[number % 3 == 0]
    rows = []
    for i in range(count):
        draw = rng.random() * HELD[2]
        split = "dev" if draw < HELD[0] else "test" if draw < HELD[0] + HELD[1] else "train"
        block = {"dev": (0, 100), "test": (100, 300), "train": (300, voices)}[split]
        names = (voice(int(rng.integers(*block))), ("agentFemale", "agentMale")[int(rng.integers(2))])
        turns = [
            {
                "role": role,
                "voice": name,
                "text": text(rng, language, *lengths),
                "seed": int(rng.integers(2**31)),
                "tries": 1,
                "sample_rate": RATE,
                "seconds": round(float(rng.uniform(*seconds)) * RATE) / RATE,
                "error_rate": 0.01,
                "watermark_score": 1.0,
                "scores": [{"head": "dnsmos_ovrl", "value": float(rng.normal(3.4, 0.2))}],
            }
            for role, name, lengths, seconds in zip(
                ("user", "agent"), names, ((8, 30), (30, 90)), ((3, 9), (12, 38)), strict=True
            )
        ]
        for turn in turns:
            turn["transcript"] = turn["text"]
        row = {"id": f"bench-{number:06d}-{i:03d}", "status": "kept", "stage": "gate", "source": "bench"}
        row |= {"language": language, "split": split, "metric": "CER" if language == "zh" else "WER"}
        row |= {"error_rate": 0.01, "edits": 1, "units": 100, "seconds": sum(t["seconds"] for t in turns)}
        rows.append({**row, "turns": turns})
    return rows


class Shards:
    """The gated rows as an export reads them: shard by shard, each file's checksum compared."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.parquet"))

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        def load(path: Path) -> pa.Table:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != path.with_suffix(".sha256").read_text():
                raise ValueError(f"{path}: its checksum does not fit; make the metadata anew")
            return parquet_table(data, None if columns is None else ["id", *columns])

        return ahead(load, self.paths)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for table in self.tables():
            yield from table.to_pylist()

    def columns(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        for table in self.tables(names):
            yield from table.to_pylist()


def make(folder: Path, dialogues: int, voices: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(-(-dialogues // SHARD)):
        path = folder / f"shard-{number:06d}.parquet"
        if not path.exists():
            rows = shard_rows(number, min(SHARD, dialogues - number * SHARD), voices)
            table = pa.Table.from_pylist(rows, schema=SCHEMAS["gate"])
            pq.write_table(table, path, compression="zstd", row_group_size=64)
            path.with_suffix(".sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())


def peak() -> float:
    """GB of this process at its largest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialogues", type=int, default=7_000_000)
    parser.add_argument("--voices", type=int, default=42_000)
    parser.add_argument("--folder", type=Path, help="where the metadata lies or is made (else a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep what was made")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="kesc-products-"))
    start = time.perf_counter()
    make(folder / "gate", given.dialogues, given.voices)
    rows = Shards(folder / "gate")
    size = sum(path.stat().st_size for path in rows.paths)
    print(f"made {given.dialogues:,} dialogues, {size / 1e9:.2f} GB of Parquet, {time.perf_counter() - start:.0f} s")
    times = {}
    start = time.perf_counter()
    scanned = sum(table.num_rows for table in rows.tables())
    times["scan"] = time.perf_counter() - start
    before, cpu = peak(), time.process_time()
    start = time.perf_counter()
    selection = select(rows, seed=0, partitions=PartitionSettings())
    times["cut"] = time.perf_counter() - start
    genders = {voice(i): ("female", "male")[i % 2] for i in range(given.voices)}
    genders |= {"agentFemale": "female", "agentMale": "male"}
    start = time.perf_counter()
    report = export(selection, None, folder / "export", genders=genders)
    times["write"] = time.perf_counter() - start
    assert report.dialogues == scanned
    cpu = time.process_time() - cpu
    total = times["cut"] + times["write"]
    print(f"scan (read, checksum, decode)              {times['scan']:8.1f} s")
    print(f"ranks, splits, partition cuts              {times['cut']:8.1f} s")
    print(f"metadata.json, lists, statistics, overlap  {times['write']:8.1f} s")
    print(
        f"products in all {total:.1f} s, {total / times['scan']:.1f} times the scan, {1e6 * total / scanned:.0f} µs a "
        f"dialogue ({1e6 * cpu / scanned:.0f} µs of CPU); peak {peak():.2f} GB, before them {before:.2f}"
    )
    if not given.keep:
        shutil.rmtree(folder / "export")
        shutil.rmtree(folder / "gate")


if __name__ == "__main__":
    main()
