"""What it costs to find that there is nothing to do: `kesc build` and `kesc status` on a finished build.

    python -m benchmarks.resume                   # 2,000 shards in each stage
    python -m benchmarks.resume --shards 200

Every stage gets real commit records and data files whose rows are few and empty (benchmarks/recorded.py); no engine
runs. `kesc build` then plans all of it, finds it done and starts no Ray, so its whole time is the overhead; the aim is
5 s. "First" runs open every record once, to cache its counts; the others open none.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.measured import PROFILE, Unsynced, kesc, rows
from benchmarks.recorded import ANY_LANGUAGE, fill, questions, recipe
from kespeechchat.config.load import load_pipeline

LIMIT = 5.0  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=2000, help="shards of each stage")
    shards = parser.parse_args().shards
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        asked = questions(where / "questions.jsonl", shards)
        speech = recipe(where / "speech.yaml", shards)
        overrides = [
            ANY_LANGUAGE,
            "instructions.shard_size=1",
            "speech.shard_size=1",
            f"speech.inputs=[{{path: {speech}}}]",
        ]
        root = str(where / "root")
        began = time.perf_counter()
        built = fill(load_pipeline(PROFILE, overrides, inputs=[asked], root=root), Unsynced(root), rows=rows)
        print(f"{built} shards recorded over all stages in {time.perf_counter() - began:.0f} s", flush=True)
        words = [str(PROFILE), "--root", root, *(w for o in overrides for w in ("--set", o))]
        first = kesc("build", *words, "--input", str(asked))
        print(f"kesc build, nothing to do, first:  {first.figures}", flush=True)
        again = kesc("build", *words, "--input", str(asked))
        assert "starting Ray" not in again.said
        print(f"kesc build, nothing to do:         {again.figures}  (no Ray started; aim: at most {LIMIT:.0f} s)")
        print(f"kesc status:                       {kesc('status', '--root', root).figures}")


if __name__ == "__main__":
    main()
