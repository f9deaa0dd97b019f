"""What store and runner cost: the same rows through the same engines, as a bare loop and as `kesc build`, in one run.

    python -m benchmarks.overhead
    python -m benchmarks.overhead --shards 4 --shard-size 2
    git worktree add /tmp/old 905b9e3
    python -m benchmarks.overhead --shards 0 --old /tmp/old

The stages rewrite, filter and spoken of the quick start (Gemma 3 270M through llama.cpp, e5) run over example rows.
The bare loop is two processes that take shards from a queue and hand each row's dictionary from stage to stage: no
store, no Parquet, no journal. `kesc build` has pools of at most two processes for the language model, one for the
judge. Every engine has one thread on both sides.

Bound: the build takes at most 1.05 times as long as the loop. Exit code 1 where it does not hold.

With `--old`, the start-up too: seconds from the call of `kesc build` of the quick start to its first row under way, of
this code and of an older commit in turn, that one on a Ray of its own; the medians of `--starts`. Then the build is
ended. Bound: at most half of the older commit's.

Left out of both: loading models, and what happens once (imports). The loop is timed after each process
has loaded its engines and done one shard. A build cannot be stopped there, so it is run twice, over two shards (a
Chinese one, an English one) and over `--shards` more, and the difference of the two walls is what the additional
shards cost. Both sides must give the same dialogues, or this fails.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from benchmarks.bounds import Bounds
from benchmarks.measured import PROFILE, kesc
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.records import LANGUAGES, Language
from kespeechchat.stages.base import Stage, Task, output_kept
from kespeechchat.stages.flow import STAGE_CLASSES
from kespeechchat.state.build_state import BuildState
from kespeechchat.store.commit import read_record
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import read_table

STAGES = ("rewrite", "filter", "spoken")
WORKERS, LIMIT = 2, 1.05
START, LONGEST_START = 0.5, 600.0  # of the older commit's; s
HERE = Path(__file__).parent.parent
Shard = tuple[int, Language | None, list[dict[str, Any]]]  # number, language, rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=12, help="shards that are timed; 0: none")
    parser.add_argument("--shard-size", type=int, default=3, help="rows of a shard")
    parser.add_argument("--old", type=Path, help="a worktree of the commit to compare the start-up with")
    parser.add_argument("--starts", type=int, default=3, help="starts of each side")
    options = parser.parse_args()
    bounds = Bounds()
    with tempfile.TemporaryDirectory() as folder:
        if options.old:
            startup(Path(folder), options.old, options.starts, bounds)
        if options.shards:
            overhead(Path(folder), options.shards, options.shard_size, bounds)
    return bounds.close()


def startup(where: Path, old: Path, starts: int, bounds: Bounds) -> None:
    """Starts both sides in turn."""
    seconds: dict[Path, list[float]] = {HERE: [], old: []}
    for n in range(starts):
        for name, code in (("new", HERE), ("old", old)):
            seconds[code].append(first_row(code, where / f"start-{name}-{n}"))
            print(f"first row under way, {name}   {seconds[code][-1]:6.1f} s", flush=True)
    ours, theirs = (statistics.median(seconds[code]) for code in (HERE, old))
    bounds.compare(("start-up", ours), ("the older commit's", theirs), "s", at_most=START)


def first_row(code: Path, root: Path) -> float:
    """Seconds until the quick start's build, by the code in this folder, has its first shard under way. Raises
    RuntimeError where it ends without one, or takes longer than LONGEST_START."""
    words = [sys.executable, "-m", "kespeechchat", "build", "pipelines/quickstart.yaml", "--limit", "4"]
    with tempfile.TemporaryFile("w+") as out:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*words, "--root", str(root)],
            cwd=code,
            env={**os.environ, "PYTHONPATH": str(code)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            while not any(root.glob("ingest/*/*")):  # an attempt, or what it has already come to
                if process.poll() is not None or time.perf_counter() - began > LONGEST_START:
                    out.seek(0)
                    raise RuntimeError(f"no row was under way: {out.read()[-2000:]}")
                time.sleep(0.01)
            return time.perf_counter() - began
        finally:
            process.terminate()
            process.wait()


def overhead(folder: Path, shards: int, size: int, bounds: Bounds) -> None:
    """The bare loop and the build over `shards` shards of `size` rows."""
    few = _prepare(folder / "few", 1, size)
    many = _prepare(folder / "many", 1 + shards // 2, size)
    all_shards = _shards(many, "ingest")
    loop, dialogues = bare_loop(many, all_shards)
    print(f"bare loop   {loop:6.1f} s", flush=True)
    walls = [_kesc(pipeline, *STAGES) for pipeline in (many, few)]
    if {row["id"]: row["response"] for _, _, rows in _shards(many, "spoken") for row in rows} != dialogues:
        raise RuntimeError("the bare loop and the build gave different dialogues: their times do not compare")
    built = walls[0] - walls[1]
    timed = all_shards[WORKERS:]
    rows = sum(len(rows) for _, _, rows in timed)
    print(f"kesc build  {built:6.1f} s  ({walls[0]:.1f} s less {walls[1]:.1f} s)")
    print(
        f"{len(STAGES)} stages, {len(timed)} shards of {size} rows ({rows} in all, {len(dialogues)} "
        f"dialogues with those left out), {WORKERS} workers a language-model stage, 1 thread each"
    )
    bounds.compare(("kesc build", built), ("bare loop", loop), "s", at_most=LIMIT)


def _prepare(where: Path, pairs: int, size: int) -> Pipeline:
    """A pipeline over so many Chinese and as many English shards of example rows, with `ingest` built."""
    overrides = (f"instructions.shard_size={size}", f"instructions.limit={pairs * size}", "engines.judge.e5.threads=1")
    overrides += ("stages.rewrite.by_rule=false", "stages.spoken.by_rule=false")  # every row meets the language model
    pipeline = load_pipeline(PROFILE, overrides, root=str(where / "root"))
    where.mkdir()
    (where / "set").write_text("\n".join(overrides))
    _kesc(pipeline, "ingest", "--inline")
    return pipeline


def _kesc(pipeline: Pipeline, *stages: str) -> float:
    """Seconds of `kesc build` of these stages."""
    overrides = (Path(pipeline.root).parent / "set").read_text().splitlines()
    words = [w for o in overrides for w in ("--set", o)]
    words += [w for s in stages for w in ((s,) if s.startswith("--") else ("--stage", s))]
    return kesc("build", str(PROFILE), "--root", pipeline.root, *words).seconds


def _shards(pipeline: Pipeline, stage: str) -> list[Shard]:
    """Kept rows of each shard; the first of each language lead, as those are what the short build has."""
    store = open_store(pipeline.root)
    found: list[Shard] = []
    for number, state in BuildState(pipeline, store).states(stage).items():
        record = read_record(store, stage, state.order.key)
        language = next((known for known in LANGUAGES if known == state.order.language), None)
        found.append((number, language, read_table(store, stage, record).to_pylist()))
    first = {language: min(n for n, at, _ in found if at == language) for _, language, _ in found}
    return sorted(found, key=lambda shard: (shard[0] != first[shard[1]], shard[0]))


def bare_loop(pipeline: Pipeline, shards: list[Shard]) -> tuple[float, dict[str, str]]:
    """Seconds for all shards but the first of each worker, and response by id."""
    context = mp.get_context("spawn")
    queue, done = context.Queue(), context.Queue()
    ready = context.Barrier(WORKERS + 1)
    ends = [context.Process(target=_loop, args=(pipeline, n, shards, queue, done, ready)) for n in range(WORKERS)]
    for process in ends:
        process.start()
    for shard in range(WORKERS, len(shards)):
        queue.put(shard)
    for _ in ends:
        queue.put(None)
    ready.wait()
    began = time.perf_counter()
    found = [done.get() for _ in ends]
    seconds = time.perf_counter() - began
    for process in ends:
        process.join()
    return seconds, {id_: text for part in found for id_, text in part.items()}


def _loop(
    pipeline: Pipeline,
    number: int,
    shards: list[Shard],
    queue: Queue[int | None],
    done: Queue[dict[str, str]],
    ready: Barrier,
) -> None:
    """A worker: loads its engines, does the shard `number`, and after `ready` what the queue holds until None."""
    stages = [STAGE_CLASSES[name](pipeline) for name in STAGES]
    for stage in stages:
        stage.setup()
    found = _through(stages, shards[number])
    ready.wait()
    while (shard := queue.get()) is not None:
        found |= _through(stages, shards[shard])
    done.put(found)


def _through(stages: Sequence[Stage], shard: Shard) -> dict[str, str]:
    number, language, rows = shard
    for stage in stages:
        rows = output_kept(list(stage.process(Task(number, language, rows))))
    return {row["id"]: row["response"] for row in rows}


if __name__ == "__main__":
    sys.exit(main())
