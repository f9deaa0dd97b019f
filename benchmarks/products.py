"""Partitions, splits, statistics and the paper's JSON over generated metadata: time, peak memory, and the ratio to
merely scanning the same Parquet.

    python -m benchmarks.products [--dialogues 7000000] [--voices N] [--processes N] [--folder DIR] [--keep]

Making up the metadata is not counted. The shards are commits of stage `gate` in a folder, with its schema and
compression; an export reads them in the same way, checksums included. The scan has as many processes, and is done
before the products and after them: its mean counts. Memory is the peak of the first process plus the most that the
others held together; CPU is that of all.

Bounds: at most 3.5 times the CPU and the wall time of the scan, 2 GB, and 600 s, no dialogue lost; for 7 M dialogues on
2 cores, and all but the last for 200,000 too: fewer do not outweigh the start of the processes. Exit code 1 where one
fails.

The partitions are the paper's shares of its 60,000 hours. They, the voices and the speakers of the subset for TTS are
the fewer the fewer dialogues there are, so that a dialogue is as much work.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bounds import Bounds
from benchmarks.measured import Figures, block
from kespeechchat.config.dataset import PartitionSettings, PartitionSize, SubsetSettings, TTSSubset
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts.ke_speechchat import KeSpeechChat
from kespeechchat.export.selection import select
from kespeechchat.processes import spread
from kespeechchat.records import SCHEMAS, Outcome
from kespeechchat.rows import FinishedRow
from kespeechchat.state.finished_rows import FinishedPart
from kespeechchat.store.commit import CommitRecord, Counts, ShardKey, commit, list_commits, new_attempt
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.shards import to_parquet

SECONDS, MEMORY, RATIO = 600.0, 2e9 / 2**20, 3.5  # the bounds: s, MiB, times the scan
PAPER = 7_000_000, 42_000  # dialogues, voices
SHARD = 350  # dialogues, as planned by default
HELD = (2754, 2481, 7_000_000)  # dev, test, of
HOURS = {"XS": 1000, "S": 4000, "M": 10_000, "L": 20_000, "XL": 40_000}  # of Chinese, of 40,000
PARTITIONS = PartitionSettings(sizes={n: PartitionSize(fraction=h / 40_000) for n, h in HOURS.items()})
_WORDS = ("how", "far", "is", "the", "moon", "from", "here", "and", "would", "it", "take", "to", "walk", "there")
_SIGNS = "月亮离这里有多远如果每天走一段路要走多久才能到那里"
_TURNS = (("user", (8, 30), (3, 9)), ("agent", (30, 90), (12, 38)))  # words or characters, seconds
RATE = 22_050
_HELD_VOICES = 300  # of dev and test


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
        first, last = {"dev": (0, 100), "test": (100, _HELD_VOICES), "train": (_HELD_VOICES, voices)}[split]
        user["voice"] = voice(int(rng.integers(first, last)))
        agent["voice"] = ("agentFemale", "agentMale")[int(rng.integers(2))]
        row: dict[str, Any] = {
            "id": f"bench-{number:06d}-{i:03d}",
            "source": "bench",
            "language": language,
            "split": split,
        }
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

    def __iter__(self) -> Iterator[FinishedRow]:
        for part in self.parts():
            yield from part.rows()

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
        attempt = new_attempt()
        record = CommitRecord("committed", "gate", key.shard, key.fingerprint, key.generation, attempt, counts=counts)
        commit(self.store, "gate", record, data)

    def merge(self, other: Making) -> None:
        pass


class Scan:
    """Reads, checks and decodes; counts rows."""

    def do(self, part: FinishedPart) -> int:
        return sum(table.num_rows for _, table in part.tables())

    def merge(self, other: Scan) -> None:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=PAPER[0])
    parser.add_argument("--voices", type=int, help="users' (default: as many a dialogue as the paper has)")
    parser.add_argument("--processes", type=int, help="readers (default: one per usable core)")
    parser.add_argument("--folder", type=Path, help="where the metadata is, or is made (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep what was made")
    options = parser.parse_args()
    options.voices = options.voices or max(_HELD_VOICES + 1, options.dialogues * PAPER[1] // PAPER[0])
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kesc-products-"))
    try:
        return measure(options, folder).close()
    finally:
        if not options.keep:
            shutil.rmtree(folder / "export", ignore_errors=True)
            shutil.rmtree(folder / "gate", ignore_errors=True)
            if options.folder is None:
                shutil.rmtree(folder, ignore_errors=True)


def measure(options: argparse.Namespace, folder: Path) -> Bounds:
    """Makes the metadata up in `folder`, scans it, and makes the products of it."""
    store, processes = LocalFolder(str(folder)), options.processes
    shards = -(-options.dialogues // SHARD)
    blocks = [range(i, min(i + 100, shards)) for i in range(0, shards, 100)]
    with block(f"made up {options.dialogues:,} dialogues"):
        list(spread(Making(store, options.dialogues, options.voices), blocks, processes))
    rows = Gated(store)
    before, scanned = _scan(rows, processes)
    with block("ranks, splits, partition cuts") as cuts:
        selection = select(rows, seed=0, partitions=PARTITIONS, processes=processes)
    genders = {voice(i): ("female", "male")[i % 2] for i in range(options.voices)}
    genders |= {"agentFemale": "female", "agentMale": "male"}
    speakers = max(1, SubsetSettings().tts.speakers * options.voices // PAPER[1])
    subsets = SubsetSettings(tts=TTSSubset(speakers=speakers))
    with block("metadata.json, facts, lists, statistics") as files:
        layout, dialogues = KeSpeechChat(processes=processes), Dialogues(selection, None, genders)
        report = layout.write(dialogues, folder / "export", BuildFacts(subsets=subsets))
    after, _ = _scan(rows, processes)
    wall, cpu = cuts.seconds + files.seconds, cuts.cpu + files.cpu
    size = (folder / "export" / "metadata.json").stat().st_size / 1e9
    print(
        f"products: {1e6 * wall / scanned:.0f} µs a dialogue, {1e6 * cpu / scanned:.0f} µs of CPU; "
        f"metadata.json {size:.2f} GB"
    )
    bounds = Bounds()
    bounds.compare(("products", wall), ("scan", (before.seconds + after.seconds) / 2), "s", RATIO)
    bounds.compare(("products' CPU", cpu), ("scan's", (before.cpu + after.cpu) / 2), "s", RATIO)
    bounds.check("every scanned dialogue is in the products", report.dialogues == scanned)
    bounds.at_most("products", wall, SECONDS, "s")
    bounds.at_most("peak memory of all processes", max(cuts.memory, files.memory), MEMORY, "MiB")
    return bounds


def _scan(rows: Gated, processes: int | None) -> tuple[Figures, int]:
    with block("scan (read, checksum, decode)") as scan:
        scanned = sum(spread(Scan(), rows.parts(), processes))
    return scan, scanned


if __name__ == "__main__":
    sys.exit(main())
