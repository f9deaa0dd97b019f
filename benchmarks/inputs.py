"""A large JSON array against the same rows as JSON lines: time and memory of planning each.

    python -m benchmarks.inputs                  # 2 GB of rows: some minutes
    python -m benchmarks.inputs --megabytes 200

The rows are made up, alternately Chinese and English, with commas, brackets and escaped quotation marks inside their
texts. Each side is planned in a process of its own, as a build does it.

Bounds: the array takes at most twice the time of the lines, and less than 1 GB of memory in all its processes. Exit
code 1 where one does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.bounds import Bounds
from benchmarks.measured import PROFILE, Figures, forked
from kespeechchat.config.load import load_pipeline
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.store.opening import open_store

TIMES, MEMORY = 2.0, 954.0  # the bounds: times the lines' time, and 1 GB in MiB


def main() -> int:
    """Measures both sides and judges them. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=2000, help="size of the array")
    parser.add_argument("--indented", action="store_true", help="an indented array, of a key a line")
    parser.add_argument("--folder", help="where the files are made; default: the system's folder for temporary files")
    options = parser.parse_args()
    bounds = Bounds()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        array, lines = folder / "array.json", folder / "lines.jsonl"
        rows = write(array, lines, options.megabytes * 1_000_000, 2 if options.indented else None)
        print(f"{rows:,} rows: {array.stat().st_size:,} bytes as an array, {lines.stat().st_size:,} as lines")
        as_lines, as_array = planned(folder / "of-lines", lines, rows), planned(folder / "of-array", array, rows)
        print(f"lines: {as_lines}\narray: {as_array}", flush=True)
        bounds.compare(("array", as_array.seconds), ("lines", as_lines.seconds), "s", at_most=TIMES)
        bounds.at_most("memory of planning the array", as_array.memory, MEMORY, "MiB")
    return bounds.close()


def write(array: Path, lines: Path, size: int, indent: int | None) -> int:
    """Writes the same rows to both files until the array has `size` bytes. Returns how many rows."""
    rows = 0
    with open(array, "w", encoding="utf-8") as one, open(lines, "w", encoding="utf-8") as other:
        one.write("[")
        while one.tell() < size:
            for _ in range(1000):
                row = _row(rows)
                one.write((",\n" if rows else "\n") + json.dumps(row, ensure_ascii=False, indent=indent))
                other.write(json.dumps(row, ensure_ascii=False) + "\n")
                rows += 1
        one.write("\n]\n")
    return rows


def _row(number: int) -> dict[str, str]:
    if number % 2:
        text = f"第{number}个地方离这里有多远，走哪条路最快？"
        return {"instruction": text, "input": "", "output": "大约一公里[左右]，“一直走”，再向右转。" * 6}
    answer = f'About {number} miles, [more or less], said the "guide"; {{take}} the road by the river, then turn. ' * 4
    return {"instruction": f"How far from here is place number {number}, and which way?", "input": "", "output": answer}


def planned(root: Path, file: Path, rows: int) -> Figures:
    """What planning `file` takes. Raises RuntimeError where not all rows are planned as sound ones."""
    pipeline = load_pipeline(PROFILE, ["instructions.shard_size=350"], inputs=[str(file)], root=str(root))

    def work() -> str:
        manifest = shard_inputs(open_store(pipeline.root), pipeline, "instructions")
        malformed = manifest.segments[-1].summary["malformed"]
        return f"{sum(shard.rows for shard in manifest.shards)} {malformed}"

    figures, found = forked(work)
    if found != f"{rows} 0":
        raise RuntimeError(f"{file}: {rows} rows written, (planned, malformed) is {found}")
    return figures


if __name__ == "__main__":
    sys.exit(main())
