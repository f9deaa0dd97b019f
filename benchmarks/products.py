"""Partitions, splits, statistics and the paper's JSON over generated metadata: time, peak memory, and the ratio to
merely scanning the same Parquet.

    python benchmarks/products.py [--dialogues 7000000] [--voices 42000] [--processes N] [--folder DIR] [--keep]

Bound: under 600 s and 6 GB on 2 cores for 7 M dialogues. Making up the metadata is not counted. The shards are commits
of stage `gate` in a folder, with its schema and compression; they are read as an export reads them, checksums included.
The scan has the same processes. Memory is that of all processes together, sampled; CPU is theirs too.

The partitions are the paper's shares of its 60,000 hours, so that fewer dialogues fill them alike.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.config.dataset import PartitionSettings, PartitionSize
from kespeechchat.export.ke_speechchat import export
from kespeechchat.export.selection import select
from kespeechchat.processes import spread
from kespeechchat.records import SCHEMAS, Outcome
from kespeechchat.state.finished_rows import FinishedPart
from kespeechchat.store.commit import CommitRecord, Counts, ShardKey, commit, list_commits, new_attempt
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.shards import to_parquet

SHARD = 350  # dialogues, as planned by default
HELD = (2754, 2481, 7_000_000)  # dev, test, of
HOURS = {"XS": 1000, "S": 4000, "M": 10_000, "L": 20_000, "XL": 40_000}  # of Chinese, of 40,000
PARTITIONS = PartitionSettings(sizes={n: PartitionSize(fraction=h / 40_000) for n, h in HOURS.items()})
_WORDS = ("how", "far", "is", "the", "moon", "from", "here", "and", "would", "it", "take", "to", "walk", "there")
_SIGNS = "月亮离这里有多远如果每天走一段路要走多久才能到那里"
_TURNS = (("user", (8, 30), (3, 9)), ("agent", (30, 90), (12, 38)))  # words or characters, seconds
RATE = 22_050


def voice(i: int) -> str:
    return f"SPK{i:05d}{'fm'[i % 2]}"


def texts(rng: np.random.Generator, language: str, count: int, low: int, high: int) -> list[str]:
    known, joint, stop = (_SIGNS, "", "。") if language == "zh" else (_WORDS, " ", ".")
    ends = np.cumsum(rng.integers(low, high, count)).tolist()
    said = [known[i] for i in rng.integers(0, len(known), ends[-1]).tolist()]
    return [joint.join(said[a:b]) + stop for a, b in zip([0, *ends], ends, strict=False)]


def shard_rows(number: int, count: int, voices: int) -> list[dict[str, Any]]:
    """Dialogues of one language with the paper's mean lengths and durations; users from `voices`, by split."""
    rng, language = np.random.default_rng(number), ("zh", "en")[number % 3 == 0]
    columns = []
    for role, lengths, seconds in _TURNS:
        said = texts(rng, language, count, *lengths)
        lasts = (np.rint(rng.uniform(*seconds, count) * RATE) / RATE).tolist()
        scores, seeds = rng.normal(3.4, 0.2, count).tolist(), rng.integers(2**31, size=count).tolist()
        columns.append([_turn(role, *one) for one in zip(said, lasts, scores, seeds, strict=True)])
    rows, held, test = [], HELD[0] + HELD[1], HELD[1]
    for i, (user, agent) in enumerate(zip(*columns, strict=True)):
        draw = rng.random() * HELD[2]
        split = "test" if draw < test else "dev" if draw < held else "train"
        first, last = {"dev": (0, 100), "test": (100, 300), "train": (300, voices)}[split]
        user["voice"] = voice(int(rng.integers(first, last)))
        agent["voice"] = ("agentFemale", "agentMale")[int(rng.integers(2))]
        row = {"id": f"bench-{number:06d}-{i:03d}", "source": "bench", "language": language, "split": split}
        row |= {"metric": "CER" if language == "zh" else "WER", "error_rate": 0.01, "edits": 1, "units": 100}
        rows.append(row | {"seconds": user["seconds"] + agent["seconds"], "turns": [user, agent]})
    return rows


def _turn(role: str, text: str, seconds: float, score: float, seed: int) -> dict[str, Any]:
    measured = {"error_rate": 0.01, "watermark_score": 1.0, "scores": [{"head": "dnsmos_ovrl", "value": score}]}
    plain = {"role": role, "text": text, "transcript": text, "seconds": seconds, "sample_rate": RATE}
    return plain | measured | {"seed": seed, "tries": 1}


@dataclass(frozen=True)
class Gated:
    """The gated rows as an export reads them."""

    store: LocalFolder

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for part in self.parts():
            for _, table in part.tables():
                yield from table.to_pylist()

    def parts(self) -> list[FinishedPart]:
        keys = [ShardKey(*key, g) for key, g in sorted(list_commits(self.store, "gate").committed.items())]
        return FinishedPart(self.store, tuple(("gate", key) for key in keys)).split()


@dataclass(frozen=True)
class Making:
    """Commits shards that are not there yet."""

    store: LocalFolder
    dialogues: int
    voices: int

    def do(self, numbers: range) -> int:
        there = {shard for shard, _ in list_commits(self.store, "gate").committed}
        for number in numbers:
            if number not in there:
                self._make(ShardKey(number, "0123456789ab"))
        return len(numbers)

    def _make(self, key: ShardKey) -> None:
        rows = shard_rows(key.shard, min(SHARD, self.dialogues - key.shard * SHARD), self.voices)
        data = to_parquet((("gate", Outcome(row)) for row in rows), SCHEMAS["gate"])
        counts = {"gate": Counts(len(rows), len(rows))}
        named = {"shard": key.shard, "fingerprint": key.fingerprint, "generation": key.generation}
        commit(
            self.store, "gate", CommitRecord("committed", "gate", **named, attempt=new_attempt(), counts=counts), data
        )

    def merge(self, other: Making) -> None:
        pass


class Scan:
    """Reads, checks and decodes; counts rows."""

    def do(self, part: FinishedPart) -> int:
        return sum(table.num_rows for _, table in part.tables())

    def merge(self, other: Scan) -> None:
        pass


class Memory(threading.Thread):
    """Samples the resident memory of this process and its children."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.start()

    def run(self) -> None:
        while True:
            pids = ["self", *(child.pid for child in multiprocessing.active_children())]
            self.peak = max(self.peak, sum(map(_resident, pids)))
            time.sleep(0.2)


def _resident(pid: int | str) -> int:
    """Bytes; shared pages count in each process."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (FileNotFoundError, ProcessLookupError):
        return 0


def cpu() -> float:
    """Seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


@contextmanager
def timed(name: str, spent: dict[str, tuple[float, float]]) -> Iterator[None]:
    wall, before = time.perf_counter(), cpu()
    yield
    spent[name] = time.perf_counter() - wall, cpu() - before
    print(f"{name:<44}{spent[name][0]:8.1f} s {spent[name][1]:8.1f} s of CPU", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialogues", type=int, default=7_000_000)
    parser.add_argument("--voices", type=int, default=42_000)
    parser.add_argument("--processes", type=int, help="readers (else one per usable core)")
    parser.add_argument("--folder", type=Path, help="where the metadata lies or is made (else a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep what was made")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="kesc-products-"))
    try:
        measure(given, folder)
    finally:
        if not given.keep:
            shutil.rmtree(folder / "export", ignore_errors=True)
            shutil.rmtree(folder / "gate", ignore_errors=True)


def measure(given: argparse.Namespace, folder: Path) -> None:
    store, spent = LocalFolder(str(folder)), {}
    shards = -(-given.dialogues // SHARD)
    blocks = [range(i, min(i + 100, shards)) for i in range(0, shards, 100)]
    with timed(f"made up {given.dialogues:,} dialogues", spent):
        list(spread(Making(store, given.dialogues, given.voices), blocks, given.processes))
    rows = Gated(store)
    with timed("scan (read, checksum, decode)", spent):
        scanned = sum(spread(Scan(), rows.parts(), given.processes))
    memory = Memory()
    with timed("ranks, splits, partition cuts", spent):
        selection = select(rows, seed=0, partitions=PARTITIONS, processes=given.processes)
    genders = {voice(i): ("female", "male")[i % 2] for i in range(given.voices)}
    genders |= {"agentFemale": "female", "agentMale": "male"}
    with timed("metadata.json, lists, statistics, overlap", spent):
        report = export(selection, None, folder / "export", genders=genders, processes=given.processes)
    assert report.dialogues == scanned
    _, scan, *products = spent.values()
    wall, used = (sum(column) for column in zip(*products, strict=True))
    size = (folder / "export" / "metadata.json").stat().st_size / 1e9
    print(
        f"products in all {wall:.1f} s, {wall / scan[0]:.1f} times the scan, {1e6 * wall / scanned:.0f} µs a dialogue "
        f"({1e6 * used / scanned:.0f} µs of CPU, {used / scan[1]:.1f} times the scan's); "
        f"peak of all processes {memory.peak / 1e9:.2f} GB; metadata.json {size:.2f} GB"
    )


if __name__ == "__main__":
    main()
