"""The viewer and the report over generated dialogues: what the index costs, what a page costs, what a report costs.

    python -m benchmarks.view [--dialogues 7000000] [--voices 42000] [--folder DIR] [--keep]

Making up the build is not counted. Its shards are real commits of every stage; those of the gate hold the paper's mean
lengths (`products.shard_rows`), the others one row at most. Their records count as many, for the report decides by them
which shards it looks at. The index is made by `kesc view`'s own code, then brought up to date with nothing to do. Pages
are asked for in every order, at the beginning and inside, with and without filters.
The report, made in a process of its own, looks at a sample; made up dialogues have no audio, so it encodes none.

Bounds, for 7 M dialogues on 2 cores: the index in 1,800 s and 2 GiB, again in 60 s; the slowest page in 2 s, and the
slowest search for words in 5 s; the report in 600 s and 2 GB. Exit code 1 where one fails.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.bounds import Bounds
from benchmarks.measured import PROFILE, block, forked
from benchmarks.products import SHARD, shard_rows, voice
from benchmarks.recorded import ANY_LANGUAGE, Unsynced, counted_row, fill, questions, recipe
from kespeechchat.commands.report.page import report
from kespeechchat.commands.view.index import update
from kespeechchat.commands.view.query import Index, Query
from kespeechchat.config.flow import AUDIO, input_branch
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.orders import Order

SECONDS, MEMORY, AGAIN, PAGE, SEARCH = 1800.0, 2048.0, 60.0, 2.0, 5.0
REPORT_SECONDS, REPORT_MEMORY = 600.0, 2e9 / 2**20
_OF_SHARD = 2  # planned rows of a shard: the gate's are made up


def build(folder: Path, dialogues: int, voices: int) -> tuple[Pipeline, Unsynced]:
    """A build of so many dialogues, recorded to the end."""
    shards = -(-dialogues // SHARD)
    file = questions(folder / "questions.jsonl", shards * _OF_SHARD)
    speech = f"speech.inputs=[{{path: {recipe(folder / 'speech.yaml', 20)}}}]"
    own = (speech, ANY_LANGUAGE, f"instructions.shard_size={_OF_SHARD}")
    pipeline = load_pipeline(PROFILE, own, inputs=[file], root=str(folder / "root"))
    store = Unsynced(pipeline.root)

    def rows(order: Order) -> list[dict[str, Any]]:
        if order.name != "gate":
            return [] if order.name == AUDIO else counted_row(order)
        made = shard_rows(order.key.shard, size(order), voices)
        return [row | {"language": order.language} for row in made]

    def size(order: Order) -> int:
        of_dialogues = input_branch(order.unit.first) == "instructions"
        return min(SHARD, dialogues - order.key.shard * SHARD) if of_dialogues else 1

    fill(pipeline, store, rows=rows, counted=size)
    return pipeline, store


def pages(index: Index) -> dict[str, float]:
    """What was asked for → seconds."""
    middle = "after=0.01~" + str(1 << 40)
    asked = ["", "language=zh", f"voice={voice(1000)}", "partition=XS", "sort=dnsmos_ovrl", "sort=seconds&down=1"]
    asked += [f"sort=error_rate&{middle}", f"split=test&sort=dnsmos_ovrl&{middle}", "least_dnsmos_ovrl=4&sort=seconds"]
    asked += ["text=moon from here and", "text=月亮离这里", "text=no such words at all"]
    found = {}
    for address in asked:
        query = Query.parse(dict(pair.split("=", 1) for pair in address.split("&") if pair), index.heads)
        begun = time.perf_counter()
        index.page(query)
        found[address or "the first page"] = time.perf_counter() - begun
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=7_000_000)
    parser.add_argument("--voices", type=int, default=42_000)
    parser.add_argument("--folder", type=Path, help="where the build is made (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep what was made")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kesc-view-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return measure(folder, options.dialogues, options.voices).close()
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, dialogues: int, voices: int) -> Bounds:
    """Makes the build up in `folder`, reports on it, indexes it, and asks for pages."""
    with block(f"made up {dialogues:,} dialogues"):
        pipeline, store = build(folder, dialogues, voices)
    file = folder / "index.sqlite"
    written, size = forked(lambda: str(report(pipeline, store, folder / "report.html")[1]))
    print(f"report of {int(size) / 1e6:.1f} MB: {written}", flush=True)
    with block("states of the shards"):
        build_state = BuildState(pipeline, store)
        for unit in pipeline.units:
            build_state.states(unit.name)
    with block("index") as made:
        takes = update(build_state, file)
    with block("index again") as again:
        update(build_state, file)
    print(f"index: {1e6 * made.cpu / takes:.0f} µs of CPU a dialogue, {file.stat().st_size / takes:.0f} bytes")
    found = pages(Index(file))
    for address, seconds in found.items():
        print(f"page {address}: {1000 * seconds:.0f} ms")
    bounds = Bounds()
    bounds.check("every dialogue is in the index", takes == dialogues)
    bounds.at_most("index", made.seconds, SECONDS, "s")
    bounds.at_most("its peak memory", made.memory, MEMORY, "MiB")
    bounds.at_most("index again", again.seconds, AGAIN, "s")
    bounds.at_most("slowest page", max(s for a, s in found.items() if not a.startswith("text")), PAGE, "s")
    bounds.at_most("slowest search", max(s for a, s in found.items() if a.startswith("text")), SEARCH, "s")
    bounds.at_most("report", written.seconds, REPORT_SECONDS, "s")
    bounds.at_most("the report's peak memory", written.memory, REPORT_MEMORY, "MiB")
    return bounds


if __name__ == "__main__":
    sys.exit(main())
