"""The paper's size without its models: planning, resuming, `kesc status`, and what the scheduler costs a shard.

    python -m benchmarks.scale                      # ten million rows planned, 20,000 shards recorded: about 25 minutes
    python -m benchmarks.scale --rows 1000000 --screened 0 --shards 2000
    git worktree add ../old 905b9e3 && python -m benchmarks.scale --old ../old --screened 0 --shards 0 --scheduled 0

Four parts, each measured in processes of its own:

* the planning pass over `--rows` instructions (350 a shard, as in the paper's profile) into a folder as a build writes
  it, again with nothing new, and again after a line was added, which reads all ids back. With `--old`, a worktree of
  commit 905b9e3, that commit plans the same rows too, into a folder of its own;
* the screening of `--screened` of the same instructions, once for near duplicates and once against an excluded file of
  10,000 questions, and of a tenth of them: the difference tells what `SCREENED` rows take. All the questions are of two
  patterns, so each of them is a candidate for the others, which is the most that near duplicates can cost;
* `--shards` instruction shards with a commit record in every stage. Planning opens no data file, so only `gate` and the
  reduce stages have any; nothing is fsynced. The speech corpus has one shard to ten of these. Then one shard of the
  last gate is made again: what `kesc build` takes longer than with nothing to do is the closing table's. The first
  build counts all shards, as version 0.1.0 did after any change;
* `--scheduled` dialogue shards through `kesc build` on Ray, with engines that take no time (benchmarks/doubles.py).
  What they cost beyond what 8 shards cost is all overhead: Ray, journal, Parquet, commit, the disk's fsync.

Bounds, on two quiet cores: planning, resuming and status take at most 60 s and 2 GiB each, a shard that was made again
adds at most 10 s, the scheduler at most 50 ms a shard and unit. Planning after a line was added takes at most 0.7 GB,
and at most 1.1 times what `--old` takes to plan anew; that is not judged without `--old`, whose time holds the start of
Python too. Ten million rows are screened in at most 900 s for near duplicates, in 600 s against excluded files, and in
2 GiB, by the slope of two sizes. Exit code 1 where a bound does not hold. Memory is the peak of the process plus the
most that the processes under it held together.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks import overlap
from benchmarks.bounds import Bounds
from benchmarks.measured import PROFILE, Figures, Run, command, forked, kesc
from benchmarks.recorded import ANY_LANGUAGE, Unsynced, counted_row, fill, questions, recipe, record_shard
from kespeechchat.config.flow import GATE
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.inputs.excluded import with_excluded_digests
from kespeechchat.inputs.screening import screen, told
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.pandas_spared import spare_pandas
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Order
from kespeechchat.store.commit import CommitRecord, Counts, new_attempt, record_key
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.manifest import Manifest
from kespeechchat.store.opening import open_store

SECONDS, MEMORY, OVERHEAD = 60.0, 2048.0, 50.0  # the bounds: s, MiB, ms a shard and unit
MADE_AGAIN = 10.0  # s that a shard adds that was made again
SCREENED = 10_000_000  # rows for which the bounds of screening hold
SCREENING = {"near duplicates": 900.0, "excluded files": 600.0}  # s
EXCLUDED = 10_000  # questions of the excluded file
OLD, PLANNED_AGAIN, AGAIN_MEMORY = (
    "905b9e3",
    1.1,
    667.0,
)  # planning again: times the old commit's planning anew; 0.7 GB in MiB
FEW = 8  # scheduled shards whose cost is taken off
UNSCREENED = "instructions.near_duplicates=null"
_PLAN_BEFORE = """
import sys
from types import SimpleNamespace
from kespeechchat.config.pipeline import InstructionInput, Instructions
from kespeechchat.run.intake import plan_branch
from kespeechchat.store.objects import LocalFolder
settings = Instructions(inputs=(InstructionInput(path=sys.argv[1]),), shard_size=350)
manifest = plan_branch(LocalFolder(sys.argv[2]), SimpleNamespace(instructions=settings), "instructions")
print(f"{len(manifest.shards):,} shards")
"""  # in that commit's names
FiguresT = TypeVar("FiguresT", bound=Figures)
_WITH_DATA = {"speakers", "blend", "audition", "voices", "gate"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="instructions to plan; 0: none")
    parser.add_argument("--screened", type=int, default=1_000_000, help="instructions to screen; 0: none")
    parser.add_argument("--shards", type=int, default=20_000, help="instruction shards to record; 0: none")
    parser.add_argument("--scheduled", type=int, default=200, help="shards to send through Ray; 0: none")
    parser.add_argument("--old", type=Path, help=f"a worktree of {OLD}, whose planning ours is compared with")
    options = parser.parse_args()
    spare_pandas()  # as every command does
    bounds, bounded = Bounds(), dict[str, Figures]()
    with tempfile.TemporaryDirectory() as folder:
        if options.rows:
            bounded |= planning(Path(folder) / "rows", options.rows, options.old, bounds)
        if options.shards:
            idle, again = resuming(Path(folder) / "shards", options.shards, bounded)
            adds = again.seconds - idle.seconds
            bounds.at_most("kesc build, a shard made again: what it adds", adds, MADE_AGAIN, "s")
        for name, figures in bounded.items():
            bounds.at_most(f"{name}: time", figures.seconds, SECONDS, "s")
            bounds.at_most(f"{name}: peak memory", figures.memory, MEMORY, "MiB")
        if options.screened:
            for name, figures in screening(Path(folder), options.screened).items():
                bounds.at_most(f"screening for {name}, {SCREENED:,} rows: time", figures.seconds, SCREENING[name], "s")
                bounds.at_most(f"screening for {name}, {SCREENED:,} rows: memory", figures.memory, MEMORY, "MiB")
        if options.scheduled:
            cost = 1000 * scheduling(Path(folder), options.scheduled)
            bounds.check(
                f"{FEW + options.scheduled} shards take longer than {FEW} (else --scheduled is too few)", cost > 0
            )
            bounds.at_most("scheduler, a shard and unit", cost, OVERHEAD, "ms")
    return bounds.close()


def planning(where: Path, count: int, old: Path | None, bounds: Bounds) -> dict[str, Figures]:
    """Plans `count` rows, and judges planning again. Returns the figures of the first pass.

    Raises RuntimeError where the old commit's planning fails or plans another number of shards.
    """
    where.mkdir()
    file = questions(where / "questions.jsonl", count)
    pipeline = _pipeline(where, file, ["instructions.shard_size=350", UNSCREENED])
    store = open_store(pipeline.root)
    before = _planned_before(old, file, where / "old") if old else None
    first = measured(f"planning pass, {count:,} rows", lambda: _planned(store, pipeline))
    measured("  again, nothing new", lambda: _planned(store, pipeline))
    if before is not None and before.output.strip() != _planned(store, pipeline):
        raise RuntimeError(f"{OLD} plans {before.output.strip()}, this commit {_planned(store, pipeline)}")
    with open(file, "a") as out:
        out.write('{"instruction": "One line more?"}\n')
    again = measured("  again, a line added", lambda: _planned(store, pipeline))
    bounds.at_most("planning again, a line added: peak memory", again.memory, AGAIN_MEMORY, "MiB")
    if before is None:
        print(f"planning again against {OLD}: not judged without --old", flush=True)
    else:
        bounds.compare(("planning again", again.seconds), (f"{OLD} anew", before.seconds), "s", at_most=PLANNED_AGAIN)
    return {"planning pass": first}


def _planned_before(old: Path, file: Path, root: Path) -> Run:
    """What planning anew takes in the worktree `old`."""
    words = [sys.executable, "-P", "-c", _PLAN_BEFORE, str(file), str(root)]
    run = command(words, {"PYTHONPATH": str(old.resolve())})
    if run.code != 0:
        raise RuntimeError(f"{old} does not plan: {run.output[-2000:]}")
    return printed(f"{OLD}: planning pass", run)


def _planned(store: ObjectStore, pipeline: Pipeline) -> str:
    return f"{len(shard_inputs(store, pipeline, 'instructions').shards):,} shards"


def screening(where: Path, count: int) -> dict[str, Figures]:
    """Screens `count` rows and a tenth of them. Returns what SCREENED rows take, by what is looked for."""
    found: dict[str, list[Figures]] = {name: [] for name in SCREENING}
    sizes = (max(1, count // 10), count)
    for size in sizes:
        folder = where / f"screened-{size}"
        folder.mkdir()
        file = questions(folder / "questions.jsonl", size)
        excluded = questions(folder / "excluded.jsonl", EXCLUDED)
        settings = {
            "near duplicates": ["instructions.near_duplicates={threshold: 0.8}"],
            "excluded files": [UNSCREENED, f"instructions.exclude=[{{path: {excluded}}}]"],
        }
        for name, overrides in settings.items():
            pipeline = with_excluded_digests(_pipeline(folder, file, ["instructions.shard_size=350", *overrides]))
            store = open_store(pipeline.root)
            manifest = shard_inputs(store, pipeline, "instructions")
            figures = measured(f"screening for {name}, {size:,} rows", partial(_screened, pipeline, manifest))
            found[name].append(figures)
    return {name: _at(SCREENED, sizes, figures) for name, figures in found.items()}


def _screened(pipeline: Pipeline, manifest: Manifest) -> str:
    screened = screen(manifest.store, pipeline, manifest)
    assert screened is not None
    return "; ".join(told(screened)) or "nothing refused"


def _at(rows: int, sizes: tuple[int, int], figures: list[Figures]) -> Figures:
    """What `rows` take, on the line through the figures of two sizes."""
    few, many = figures
    share = (rows - sizes[1]) / (sizes[1] - sizes[0])
    return Figures(
        many.seconds + share * (many.seconds - few.seconds),
        many.cpu + share * (many.cpu - few.cpu),
        many.peak + share * (many.peak - few.peak),
        many.below + share * max(0.0, many.below - few.below),
    )


def resuming(where: Path, shards: int, bounded: dict[str, Figures]) -> tuple[Figures, Figures]:
    """Records `shards` shards in every stage. Adds to `bounded`. Returns the figures of an idle build, and of one that
    finds a shard that was made again."""
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
    measured("shards recorded in all stages", lambda: f"{record(pipeline, store):,}")
    stale = _pipeline(where, file, [*overrides, "stages.gate.max_error.zh=0.2"])
    measured("plan of every stage", lambda: _done(pipeline))
    measured("  with a changed threshold", lambda: _done(stale))
    words = ["build", str(PROFILE), "--root", pipeline.root, *(w for o in overrides for w in ("--set", o))]
    printed("kesc build, nothing to do, first", kesc(*words, "--input", str(file)))
    idle = printed("kesc build, nothing to do", kesc(*words, "--input", str(file)))
    bounded["kesc build, nothing to do"] = idle
    bounded["kesc status"] = printed("kesc status", kesc("status", "--root", pipeline.root))
    _make_again(pipeline, store)
    return idle, printed("kesc build, a shard made again", kesc(*words, "--input", str(file)))


def _make_again(pipeline: Pipeline, store: ObjectStore) -> None:
    """Commits one shard of the last gate anew, as its next generation; no stage reads it."""
    order = BuildState(pipeline, store).states(pipeline.in_rounds(GATE)[-1])[0].order
    record_shard(store, replace(order, key=replace(order.key, generation=order.key.generation + 1)), [])


def scheduling(where: Path, shards: int) -> float:
    """Seconds that each shard of each unit costs beyond its engines, which take none."""
    walls = []
    for name, count in (("few", FEW), ("many", FEW + shards)):
        words, _ = overlap.prepare(where / name, count, 1, [])
        walls.append(printed(f"kesc build on Ray, {count} shards", overlap.build(words, {})).seconds)
    return (walls[1] - walls[0]) / (shards * len(overlap.AUDIO))


def printed(name: str, figures: FiguresT, said: str = "") -> FiguresT:
    print(f"{name:34} {figures}{f'  ({said})' if said else ''}", flush=True)
    return figures


def measured(name: str, work: Callable[[], str]) -> Figures:
    """Runs `work` in a forked process and prints its figures."""
    return printed(name, *forked(work))


def record(pipeline: Pipeline, store: ObjectStore) -> int:
    """Commits every shard of every stage. Returns how many."""
    built = 0
    for unit in pipeline.units:
        if split_round(unit.name)[0] in _WITH_DATA:
            built += fill(pipeline, store, [unit.name], counted_row)
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


def _done(pipeline: Pipeline) -> str:
    build_state = BuildState(pipeline, open_store(pipeline.root))
    states = [s for unit in pipeline.units for s in build_state.states(unit.name).values()]
    return f"{sum(s.state is State.DONE for s in states):,} of {len(states):,} done"


def _pipeline(where: Path, file: Path, overrides: list[str]) -> Pipeline:
    return load_pipeline(PROFILE, tuple(overrides), inputs=[file], root=str(where / "root"))


if __name__ == "__main__":
    sys.exit(main())
