"""The paper's size without its models: planning, resuming, `kesc status`, and what the scheduler costs a shard.

    python -m benchmarks.scale                      # ten million rows planned, 20,000 shards recorded: about 20 minutes
    python -m benchmarks.scale --rows 1000000 --shards 2000

Three parts, each measured in processes of its own so that peak memory means something:

* the planning pass over `--rows` instructions (350 a shard, as in the paper's profile) into a folder as a build writes
  it, again with nothing new, and again after a line was added, which reads all ids back;
* `--shards` instruction shards with a commit record in every stage: records only, written without fsync, as planning
  opens none of them (the data of `gate` and of the reduce stages is there, for the closing table reads it). The speech
  corpus has one shard to ten of these;
* `--scheduled` dialogue shards through `kesc build` on Ray, with engines that take no time (benchmarks/doubles.py).
  What they cost beyond what as many fewer shards cost is all overhead: Ray, journal, Parquet, commit, the disk's fsync.

Bounds: planning, resuming and status 60 s on two quiet cores and 2 GB each, and 50 ms a shard for the scheduler.
Memory is that of the process and its children: Ray's own processes are not in it. What needs much of it runs in forked
processes, for a command's peak counts that of the process that started it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import overlap
from benchmarks.measured import PROFILE, Run, Unsynced, kesc, rows
from benchmarks.recorded import ANY_LANGUAGE, fill, questions, recipe
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.processes import usable_cores
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Order
from kespeechchat.store.commit import CommitRecord, Counts, new_attempt, record_key
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.opening import open_store

_WITH_DATA = {"speakers", "blend", "audition", "voices", "gate"}
SECONDS, MEMORY, OVERHEAD = 60.0, 2048.0, 0.050  # the bounds: s, MiB, s a shard


@dataclass(frozen=True)
class Figures:
    seconds: float
    cpu: float  # seconds, of the process and its children
    peak: float  # MiB, likewise
    said: str = ""

    @staticmethod
    def of(run: Run) -> Figures:
        return Figures(run.seconds, run.cpu, run.peak)

    def __str__(self) -> str:
        said = f"  ({self.said})" if self.said else ""
        return f"{self.seconds:7.2f} s, {self.cpu:7.2f} s of CPU, {self.peak:5.0f} MiB{said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="instructions that are planned; 0: none")
    parser.add_argument("--shards", type=int, default=20_000, help="instruction shards that are recorded; 0: none")
    parser.add_argument("--scheduled", type=int, default=200, help="shards that go through Ray; 0: none")
    asked = parser.parse_args()
    bounded: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as folder:
        if asked.rows:
            bounded |= planning(Path(folder) / "rows", asked.rows)
        if asked.shards:
            bounded |= resuming(Path(folder) / "shards", asked.shards)
        for name, figures in bounded.items():
            _judge(f"{name}, in s", figures.seconds, SECONDS)
            _judge("  its peak, in MiB", figures.peak, MEMORY)
        if asked.scheduled:
            _judge(
                "scheduler, in ms a shard and unit", 1000 * scheduling(Path(folder), asked.scheduled), 1000 * OVERHEAD
            )


def _judge(name: str, found: float, bound: float) -> None:
    print(f"{name:38} {found:8.1f}, at most {bound:g}: {'holds' if found <= bound else 'DOES NOT HOLD'}", flush=True)


def planning(where: Path, count: int) -> dict[str, Figures]:
    """Plans `count` rows. Returns the figures of the first pass."""
    where.mkdir()
    file = questions(where / "questions.jsonl", count)
    pipeline = _pipeline(where, file, ["instructions.shard_size=350"])
    store = open_store(pipeline.root)
    first = measured(f"planning pass, {count:,} rows", lambda: _planned(store, pipeline))
    measured("  again, nothing new", lambda: _planned(store, pipeline))
    with open(file, "a") as out:
        out.write('{"instruction": "One line more?"}\n')
    measured("  again, a line added", lambda: _planned(store, pipeline))
    return {"planned": first}


def _planned(store: ObjectStore, pipeline: Pipeline) -> str:
    return f"{len(shard_inputs(store, pipeline, 'instructions').shards):,} shards"


def resuming(where: Path, shards: int) -> dict[str, Figures]:
    """Records `shards` shards in every stage and looks at them. Returns the figures of a build with nothing to do, and
    of `kesc status`."""
    where.mkdir()
    file = questions(where / "questions.jsonl", shards)
    overrides = [
        ANY_LANGUAGE,
        "instructions.shard_size=1",
        "speech.shard_size=1",
        f"speech.inputs=[{{path: {where}/speech.yaml}}]",
    ]
    recipe(where / "speech.yaml", max(10, shards // 10))
    pipeline = _pipeline(where, file, overrides)
    store = Unsynced(pipeline.root)
    measured("shards recorded over all stages", lambda: f"{record(pipeline, store):,}")
    stale = _pipeline(where, file, [*overrides, "stages.gate.max_error.zh=0.2"])
    measured("plan of every stage", lambda: _waiting(pipeline))
    measured("  with a changed threshold", lambda: _waiting(stale))
    words = ["build", str(PROFILE), "--root", pipeline.root, *(w for o in overrides for w in ("--set", o))]
    told("kesc build, nothing to do, first", kesc(*words, "--input", str(file)))
    resumed = told("kesc build, nothing to do", kesc(*words, "--input", str(file)))
    return {"resumed": resumed, "status": told("kesc status", kesc("status", "--root", pipeline.root))}


def scheduling(where: Path, shards: int) -> float:
    """Seconds that each shard of each unit costs beyond its engines, which take none."""
    walls = []
    for name, count in (("few", 8), ("many", 8 + shards)):
        words, _ = overlap.prepare(where / name, count, 1, [])
        run = overlap.build(words, {})
        told(f"kesc build on Ray, {count} shards", run)
        walls.append(run.seconds)
    return (walls[1] - walls[0]) / (shards * len(overlap.AUDIO))


def told(name: str, run: Run) -> Figures:
    print(f"{name:34} {Figures.of(run)}", flush=True)
    return Figures.of(run)


def record(pipeline: Pipeline, store: ObjectStore) -> int:
    """Commits every shard of every stage. Returns how many."""
    built = 0
    for unit in pipeline.units:
        if split_round(unit.name)[0] in _WITH_DATA:
            built += fill(pipeline, store, [unit.name], rows)
            continue
        if unit.name == "ingest":
            fill(pipeline, store, [])  # the planning passes alone
        for state in BuildState(pipeline, store).states(unit.name).values():
            store.create(record_key(unit.name, state.order.key), _record(state.order).to_json())
            built += 1
    return built


def _record(order: Order) -> CommitRecord:
    key = order.key
    return CommitRecord(
        "committed",
        order.name,
        key.shard,
        key.fingerprint,
        key.generation,
        new_attempt(),
        language=order.language,
        ingredients=order.ingredients,
        counts={stage: Counts() if split_round(stage)[1] else Counts(1, 1) for stage in order.unit},
    )


def measured(name: str, work: Callable[[], str]) -> Figures:
    """Runs `work` in a forked process and prints its figures, this process's own memory included."""
    reading, writing = os.pipe()
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            said = work()
            own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
            cpu = sum(used.ru_utime + used.ru_stime for used in (own, children))
            peak = (own.ru_maxrss + usable_cores() * children.ru_maxrss) / 1024  # as if all children peaked at once
            os.write(writing, json.dumps([time.perf_counter() - began, cpu, peak, said]).encode())
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError(f"{name} failed")
    figures = Figures(*json.loads(os.read(reading, 1 << 16)))
    print(f"{name:34} {figures}", flush=True)
    return figures


def _waiting(pipeline: Pipeline) -> str:
    build_state = BuildState(pipeline, open_store(pipeline.root))
    states = [s for unit in pipeline.units for s in build_state.states(unit.name).values()]
    return f"{sum(s.state is State.DONE for s in states):,} of {len(states):,} done"


def _pipeline(where: Path, file: Path, overrides: list[str]) -> Pipeline:
    return load_pipeline(PROFILE, overrides, inputs=[file], root=str(where / "root"))


if __name__ == "__main__":
    main()
