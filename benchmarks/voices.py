"""The voice branch's arithmetic at the paper's scale, over recorded x-vectors: time, CPU and peak memory.

    python -m benchmarks.voices [--recordings 5000] [--clips 10] [--dimensions 512] [--probes 4]

A worker builds the stages `speakers`, `blend` and `voices`, from Parquet to Parquet, with the paper's profile; clips
and auditions are invented, and that is not counted. Then the promises are measured, as `kesc voices` does.

Bounds, for 42,002 voices and 5,000 speakers on 2 cores: at most 300 s and 4 GB. Exit code 1 where one does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bounds import Bounds
from benchmarks.measured import Figures, block
from benchmarks.recorded import Unsynced, record_shard
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
RECORDINGS = 5000
FEWER = ("stages.blend.blending.allow_fewer=true",)  # fewer recordings cannot give the paper's number of voices
SECONDS, MEMORY = 300.0, 4e9 / 2**20  # the bounds: s, MiB
SHARD = 500  # clips, auditions
EMBEDDING = 192  # dimensions of the TTS embedding
_PRINT = "0123456789ab"  # any fingerprint


def unit(vectors: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled.astype(np.float32)


def clips(options: argparse.Namespace, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Clips of recordings that are one speaker each, of ten speaking rates."""
    for i in range(options.recordings):
        centre = rng.standard_normal((1, options.dimensions), dtype=np.float32)
        near = unit(centre + 0.1 * rng.standard_normal((options.clips, options.dimensions), dtype=np.float32))
        said: dict[str, Any] = {
            "recording": f"recording-{i:05d}",
            "language": ("zh", "en")[i // 2 % 2],
            "transcript": "0123456789",
        }
        said |= {"gender": ("male", "female")[i % 2], "seconds": 2.0 + i % 10 / 10, "characters": 10}
        said |= {"scores": [{"head": "corpus_dnsmos", "value": 4.5}]}
        for j, vector in enumerate(near):
            yield {"id": f"{i}-{j}", **said, "xvector": vector, "tts_embedding": vector[:EMBEDDING]}


def auditions(
    candidates: list[dict[str, Any]], options: argparse.Namespace, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Every candidate speaks well, and sounds like nobody."""
    for row in candidates:
        voice = rng.standard_normal((1, options.dimensions), dtype=np.float32)
        heard = unit(voice + 0.3 * rng.standard_normal((options.probes, options.dimensions), dtype=np.float32))
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("recordings", RECORDINGS), ("clips", 10), ("dimensions", 512), ("probes", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options, rng = parser.parse_args(), np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="kesc-voices-") as folder:
        pipeline = load_pipeline(PROFILE, FEWER if options.recordings < RECORDINGS else (), root=folder)
        return measure(pipeline, options, rng).close()


def measure(pipeline: Pipeline, options: argparse.Namespace, rng: np.random.Generator) -> Bounds:
    """Builds the stages on invented clips and auditions, and measures the promises."""
    store, spent = Unsynced(pipeline.root), list[Figures]()
    real = recorded(store, "clips", clips(options, rng))
    with block(f"speakers: mine {options.recordings} recordings") as figures:
        speakers = built(pipeline, "speakers", real)
    spent.append(figures)
    with block("blend") as figures:
        blended = built(pipeline, "blend", speakers)
    spent.append(figures)
    candidates = rows_of(read_table(store, "blend", read_record(store, "blend", blended.keys[0])))
    auditioned = recorded(store, "audition", auditions(candidates, options, rng))
    with block(f"voices: {len(candidates)} auditions, {options.recordings * options.clips} clips") as figures:
        voices = built(pipeline, "voices", auditioned, real)
    spent.append(figures)
    record = read_record(store, "voices", voices.keys[0])
    counts = record.counts["voices"]
    with block(f"promises of {counts.kept} voices, all pairs of them") as figures:
        library = Library.of(read_table(store, "voices", record, COLUMNS))
        found = report(library, pipeline.stages.blend.blending, pipeline.stages.voices.privacy)
    spent.append(figures)
    print("broken promises:", [p["name"] for p in found["promises"] if not p["holds"]])
    print(f"voices {counts.kept}, lacking {found['missing']}, {counts.rejected}")
    print(f"CPU in all {sum(f.cpu for f in spent):.1f} s")
    bounds = Bounds()
    bounds.at_most("voice stages and promises in all", sum(f.seconds for f in spent), SECONDS, "s")
    bounds.at_most("peak memory", max(f.memory for f in spent), MEMORY, "MiB")
    return bounds


if __name__ == "__main__":
    sys.exit(main())
