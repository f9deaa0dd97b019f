"""Whether the time left that `kesc build` shows is right, for builds whose stages run in parallel.

    python -m benchmarks.progress
    python -m benchmarks.progress --shards 40 --tts 0.2 --asr 0.4 --ahead 30

Dialogues and voices are recorded; then a build speaks, marks, measures and gates them with engines that sleep in place
of a model (benchmarks/doubles.py): on Ray, one actor a unit, and in one process (`--inline`). When a tenth of a unit's
shards are built, the time that the progress gives it is noted, and later held against the time that it took.

Bound: within a factor of two for every unit. Exit code 1 where it does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bounds import Bounds
from benchmarks.overlap import prepare
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.state.orders import Built
from kespeechchat.state.saved_profile import load_profile

FACTOR = 2.0
Estimates = dict[str, tuple[float, float]]  # unit → seconds left as it was shown after a tenth, and as it was


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=200)
    parser.add_argument("--rows", type=int, default=2, help="dialogues of a shard")
    parser.add_argument("--tts", type=float, default=0.2, help="seconds to speak a shard")
    parser.add_argument("--watermark", type=float, default=0.0, help="seconds to mark a shard")
    parser.add_argument("--asr", type=float, default=0.6, help="seconds to recognize a shard")
    parser.add_argument("--ahead", type=int, default=40, help="audio_ahead: shards spoken and not yet gated")
    parser.add_argument("--here", nargs=2, metavar=("ROOT", "RUNNER"), help=argparse.SUPPRESS)  # the child's own
    options = parser.parse_args()
    if options.here:
        print(json.dumps(watched(*options.here)))
        return 0
    engines = {name: getattr(options, name) for name in ("tts", "watermark", "asr")}
    bounds = Bounds()
    with tempfile.TemporaryDirectory() as folder:
        for runner in ("ray", "inline"):
            found = measure(Path(folder) / runner, options.shards, options.rows, engines, options.ahead, runner)
            for unit, (shown, was) in found.items():
                print(f"{runner}, {unit}: {shown:.1f} s left were shown after a tenth, it took {was:.1f} s", flush=True)
                bounds.at_most(f"{runner}, {unit}: how far off", max(shown / was, was / shown), FACTOR, "times")
    return bounds.close()


def measure(
    where: Path, shards: int, rows: int, engines: dict[str, float], ahead: int, runner: str = "ray"
) -> Estimates:
    """Builds `shards` shards of `rows` dialogues with engines that take so many seconds a shard."""
    _, root = prepare(where, shards, rows, [f"audio_ahead={ahead}"])
    here = Path(__file__).parent
    env = os.environ | {"PYTHONPATH": f"{here / 'inject'}:{here.parent}", "KESC_RECORDED": json.dumps(engines)}
    command = [sys.executable, "-m", "benchmarks.progress", "--here", str(root), runner]
    ran = subprocess.run(command, cwd=here.parent, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return {unit: (shown, was) for unit, (shown, was) in json.loads(ran.stdout.splitlines()[-1]).items()}


def watched(root: str, runner: str) -> Estimates:
    """Builds what is left of the build at `root`, in this process or from it."""
    progress = Watching()
    where = "ray" if runner == "inline" else runner
    result = build(load_profile(root), progress, address=where, inline=runner == "inline")
    if not result.ok:
        raise RuntimeError(result.lines())
    return {unit: (shown, progress.last[unit] - at) for unit, (at, shown) in progress.tenth.items()}


class Watching(Progress):
    """Notes what is shown when a tenth of a unit's shards are built. `tenth`: unit → (when, seconds left)."""

    def __init__(self) -> None:
        super().__init__("plain")
        self.tenth: dict[str, tuple[float, float]] = {}
        self.last: dict[str, float] = {}

    def built(self, built: Built) -> None:
        """See `Progress.built`."""
        super().built(built)
        self.last[built.unit] = time.monotonic()
        unit = self.units[built.unit]
        left = self.left[built.unit]
        if unit.done >= unit.total // 10 and built.unit not in self.tenth and left is not None:
            self.tenth[built.unit] = (self.last[built.unit], left)


if __name__ == "__main__":
    sys.exit(main())
