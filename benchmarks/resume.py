"""What it costs to find that there is nothing to do: `kesc build` and `kesc status` on a finished build.

    python -m benchmarks.resume                   # 2,000 shards in each stage
    python -m benchmarks.resume --shards 200

Every stage gets real commit records and data files whose rows are few and empty (benchmarks/recorded.py); no engine
runs. `kesc build` then plans all of it, finds it done and starts no Ray, so its whole time is overhead. The first run
opens every record once, to cache its counts; the others open none.

Bounds: the second `kesc build` takes at most 5 s and starts no Ray. Exit code 1 where one does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bounds import Bounds
from benchmarks.measured import PROFILE, kesc
from benchmarks.recorded import ANY_LANGUAGE, Unsynced, counted_row, fill, questions, recipe
from kespeechchat.config.load import load_pipeline

LIMIT = 5.0  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=2000, help="shards of each stage")
    shards = parser.parse_args().shards
    with tempfile.TemporaryDirectory() as folder:
        return resume(Path(folder), shards).close()


def resume(where: Path, shards: int) -> Bounds:
    """Records `shards` shards in each stage under `where` and runs the commands on them."""
    file = questions(where / "questions.jsonl", shards)
    speech = recipe(where / "speech.yaml", shards)
    overrides = (
        ANY_LANGUAGE,
        "instructions.shard_size=1",
        "speech.shard_size=1",
        f"speech.inputs=[{{path: {speech}}}]",
    )
    root, began = str(where / "root"), time.perf_counter()
    built = fill(load_pipeline(PROFILE, overrides, inputs=[file], root=root), Unsynced(root), rows=counted_row)
    print(f"{built} shards recorded in all stages in {time.perf_counter() - began:.0f} s", flush=True)
    words = [str(PROFILE), "--root", root, "--input", str(file), *(w for o in overrides for w in ("--set", o))]
    print(f"kesc build, nothing to do, first:  {kesc('build', *words)}", flush=True)
    again = kesc("build", *words)
    print(f"kesc build, nothing to do:         {again}", flush=True)
    print(f"kesc status:                       {kesc('status', '--root', root)}", flush=True)
    bounds = Bounds()
    bounds.at_most("kesc build, nothing to do", again.seconds, LIMIT, "s")
    bounds.check("no Ray is started", "starting Ray" not in again.output)
    return bounds


if __name__ == "__main__":
    sys.exit(main())
