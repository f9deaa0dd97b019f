"""The voice branch's arithmetic at the paper's scale, over recorded x-vectors: time, CPU and peak memory.

    python -m benchmarks.voices [--recordings 5000] [--clips 10] [--dimensions 512] [--probes 4]

Stages `speakers`, `blend` and `voices` are built by a worker, from Parquet to Parquet, with the paper's profile; clips
and auditions are invented, and that is not counted. Then the promises are measured, as `kesc voices` does.
Bound: under 300 s and 4 GB on 2 cores for 42,002 voices and 5,000 speakers.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measured import Unsynced
from benchmarks.recorded import record_shard
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.execution.worker.worker import Worker
from kespeechchat.state.orders import Input, Order
from kespeechchat.store.commit import ShardKey, read_record
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.shards import read_table
from kespeechchat.voices.columns import rows_of
from kespeechchat.voices.promises import COLUMNS, Library, report

PROFILE = Path(__file__).parent.parent / "pipelines" / "ke-speechchat.yaml"
SHARD = 500  # clips, auditions
EMBEDDING = 192  # dimensions of the TTS embedding
_PRINT = "0123456789ab"  # any fingerprint


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@contextmanager
def timed(name: str, spent: list[tuple[float, float, float]]) -> Iterator[None]:
    """Seconds, CPU seconds, and the peak of resident memory (GB) of what is done inside."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak (Linux)
    wall, cpu = time.perf_counter(), _cpu()
    yield
    spent.append((time.perf_counter() - wall, _cpu() - cpu, _peak()))
    print("{:<44}{:8.1f} s {:8.1f} s of CPU   peak {:.2f} GB".format(name, *spent[-1]), flush=True)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("VmHWM"))


def clips(args: argparse.Namespace, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Clips of recordings that are one speaker each, of ten speaking rates."""
    for i in range(args.recordings):
        centre = rng.standard_normal((1, args.dimensions), dtype=np.float32)
        near = unit(centre + 0.1 * rng.standard_normal((args.clips, args.dimensions), dtype=np.float32))
        said = {"recording": f"recording-{i:05d}", "language": ("zh", "en")[i // 2 % 2], "transcript": "0123456789"}
        said |= {"gender": ("male", "female")[i % 2], "seconds": 2.0 + i % 10 / 10, "characters": 10}
        said |= {"scores": [{"head": "corpus_dnsmos", "value": 4.5}]}
        for j, vector in enumerate(near):
            yield {"id": f"{i}-{j}", **said, "xvector": vector, "tts_embedding": vector[:EMBEDDING]}


def auditions(
    candidates: list[dict[str, Any]], args: argparse.Namespace, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Every candidate speaks well, and sounds like nobody."""
    for row in candidates:
        voice = rng.standard_normal((1, args.dimensions), dtype=np.float32)
        heard = unit(voice + 0.3 * rng.standard_normal((args.probes, args.dimensions), dtype=np.float32))
        candidate = {k: v for k, v in row.items() if k not in ("status", "stage", "reason", "detail")}
        yield candidate | {"xvectors": list(heard), "error_rate": 0.0, "spoken_seconds_per_character": 0.12}


def recorded(store: ObjectStore, stage: str, rows: Iterator[dict[str, Any]]) -> Input:
    """Commits the rows in shards; gives them as a reduce stage's input."""
    keys: list[ShardKey] = []
    while some := [row for _, row in zip(range(SHARD), rows, strict=False)]:
        keys.append(ShardKey(len(keys), _PRINT))
        record_shard(store, Order((stage,), keys[-1], None), some)
    return Input(stage, stage, tuple(keys))


def built(pipeline: Pipeline, stage: str, *inputs: Input) -> Input:
    """The stage's one shard, by a worker."""
    key = ShardKey(0, _PRINT)
    found = Worker(pipeline, Unit.of(stage), "benchmark", "here").build(Order(Unit.of(stage), key, None, inputs=inputs))
    if found.status != "committed":
        raise RuntimeError(f"{stage}: {found.error}")
    return Input(stage, stage, (key,))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("recordings", 5000), ("clips", 10), ("dimensions", 512), ("probes", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args, rng = parser.parse_args(), np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="kesc-voices-") as folder:
        measure(load_pipeline(PROFILE, root=folder), args, rng)


def measure(pipeline: Pipeline, args: argparse.Namespace, rng: np.random.Generator) -> None:
    store, spent = Unsynced(pipeline.root), []
    real = recorded(store, "clips", clips(args, rng))
    with timed(f"speakers: mine {args.recordings} recordings", spent):
        speakers = built(pipeline, "speakers", real)
    with timed("blend", spent):
        blended = built(pipeline, "blend", speakers)
    candidates = rows_of(read_table(store, "blend", read_record(store, "blend", blended.keys[0])))
    auditioned = recorded(store, "audition", auditions(candidates, args, rng))
    with timed(f"voices: {len(candidates)} auditions, {args.recordings * args.clips} clips", spent):
        voices = built(pipeline, "voices", auditioned, real)
    record = read_record(store, "voices", voices.keys[0])
    counts = record.counts["voices"]
    with timed(f"promises of {counts.kept} voices, all pairs of them", spent):
        library = Library.of(read_table(store, "voices", record, COLUMNS))
        found = report(library, pipeline.stages.blend.blending, pipeline.stages.voices.privacy)
    wall, cpu, peak = (f(column) for f, column in zip((sum, sum, max), zip(*spent, strict=True), strict=True))
    print(f"{'in all':<44}{wall:8.1f} s {cpu:8.1f} s of CPU   peak {peak:.2f} GB   (bound: 300 s, 4 GB)")
    print("broken promises:", [p["name"] for p in found["promises"] if not p["holds"]])
    print(f"voices {counts.kept}, lacking {found['missing']}, {counts.rejected}")


if __name__ == "__main__":
    main()
