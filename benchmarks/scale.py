"""The paper's size without its models: planning, resuming and `kesc status` over 20,000 shards in every stage.

    python -m benchmarks.scale                      # a million rows planned, 20,000 shards recorded
    python -m benchmarks.scale --rows 10000000      # all of the paper's rows

Two halves, each in processes of their own so that peak memory means something:

* the planning pass over `--rows` instructions (350 a shard, as in the paper's profile), again with nothing new, and
  again after a line was added, which reads all ids back;
* `--shards` instruction shards with a commit record in every stage: records only, written without fsync, as planning
  opens none of them (the data of `gate` and of the reduce stages is there, for the closing table reads it). The speech
  corpus has one shard to ten of these.

The aim for planning and resuming is 60 s and 2 GB.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measured import PROFILE, Unsynced, kesc, rows
from benchmarks.recorded import fill, questions, recipe
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.run.intake import plan_branch
from kespeechchat.run.plan import Order, Plan, State
from kespeechchat.store.commit import CommitRecord, Counts, new_attempt, record_key
from kespeechchat.store.objects import ObjectStore, open_store

_WITH_DATA = {"speakers", "blend", "audition", "voices", "gate"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="instructions of the planning pass; 0: leave it out"
    )
    parser.add_argument("--shards", type=int, default=20_000, help="instruction shards; 0: leave them out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.rows:
            planning(Path(folder) / "rows", asked.rows)
        if asked.shards:
            resuming(Path(folder) / "shards", asked.shards)


def planning(where: Path, count: int) -> None:
    where.mkdir()
    file = questions(where / "questions.jsonl", count)
    pipeline = _pipeline(where, file, ["instructions.shard_size=350"])
    store = Unsynced(pipeline.root)
    measured(f"planning pass, {count:,} rows", lambda: plan_branch(store, pipeline, "instructions"))
    measured("  again, nothing new", lambda: plan_branch(store, pipeline, "instructions"))
    with open(file, "a") as out:
        out.write('{"instruction": "One line more?"}\n')
    measured("  again, a line added", lambda: plan_branch(store, pipeline, "instructions"))


def resuming(where: Path, shards: int) -> None:
    where.mkdir()
    file = questions(where / "questions.jsonl", shards)
    overrides = ["instructions.shard_size=1", "speech.shard_size=1", f"speech.inputs=[{{path: {where}/speech.yaml}}]"]
    recipe(where / "speech.yaml", max(10, shards // 10))
    pipeline = _pipeline(where, file, overrides)
    store = Unsynced(pipeline.root)
    began = time.perf_counter()
    built = record(pipeline, store)
    print(f"{built:,} shards recorded over all stages in {time.perf_counter() - began:.0f} s", flush=True)
    stale = _pipeline(where, file, [*overrides, "stages.gate.max_error.zh=0.2"])
    measured("plan of every stage", lambda: _waiting(pipeline))
    measured("  with a changed threshold", lambda: _waiting(stale))
    words = [str(PROFILE), "--root", pipeline.root, *(w for o in overrides for w in ("--set", o))]
    for name in ("kesc build, nothing to do, first", "kesc build, nothing to do"):
        print(f"{name:34} {kesc('build', *words, '--input', str(file)).figures}", flush=True)
    print(f"{'kesc status':34} {kesc('status', '--root', pipeline.root).figures}", flush=True)


def record(pipeline: Pipeline, store: ObjectStore) -> int:
    """Commits every shard of every stage. Returns how many."""
    built = 0
    for unit in pipeline.units:
        if split_round(unit[-1])[0] in _WITH_DATA:
            built += fill(pipeline, store, [unit[-1]], rows)
            continue
        if unit[-1] == "ingest":
            fill(pipeline, store, [])  # the planning passes alone
        for state in Plan(pipeline, store).states(unit[-1]).values():
            store.create(record_key(unit[-1], state.order.key), _record(state.order).to_json())
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


def measured(name: str, work: Callable[[], object]) -> None:
    """Runs `work` in a forked process and prints its seconds and peak memory, this process's own share included."""
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            said = work()
            used = resource.getrusage(resource.RUSAGE_SELF)
            print(
                f"{name:34} {time.perf_counter() - began:6.2f} s, {used.ru_utime + used.ru_stime:6.2f} s of CPU, ",
                end="",
            )
            print(f"{used.ru_maxrss / 1024:5.0f} MiB", end="")
            print(f"  ({said})" if isinstance(said, str) else "", flush=True)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError(f"{name} failed")


def _waiting(pipeline: Pipeline) -> str:
    plan = Plan(pipeline, open_store(pipeline.root))
    states = [s for unit in pipeline.units for s in plan.states(unit[-1]).values()]
    return f"{sum(s.state is State.DONE for s in states):,} of {len(states):,} done"


def _pipeline(where: Path, file: Path, overrides: list[str]) -> Pipeline:
    return load_pipeline(PROFILE, overrides, inputs=[file], root=str(where / "root"))


if __name__ == "__main__":
    main()
