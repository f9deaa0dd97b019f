"""kill -9, N times, at random moments of real builds; then the result is compared with an undisturbed build.

    python -m benchmarks.chaos --kills 200 --seed 1                    # in processes: workers, their nursery, driver
    python -m benchmarks.chaos --kills 200 --runner ray                # on Ray: actors, raylet, driver
    python -m benchmarks.chaos --kills 200 --runner inline             # the one process
    python -m benchmarks.chaos --kills 200 --runner inline --store s3  # SeaweedFS on loopback

`kesc build` runs all stages. One process at a time is killed: a worker or the nursery that they are forked from; an
actor (a worker, or what counts for the driver) or the raylet; or the driver with its whole tree. When a build has
ended, the same command goes on. What is built before N kills are done is checked, and a fresh ROOT begun, so that no
kill meets a build with nothing to do.

The engines are of tones (benchmarks/tonal): audio for every stage at no cost, so that the kills meet the store, the
runners and Ray. A kill waits for an attempt at a shard to begin, and a random part of that attempt's time more. An
actor is spared while it tries a shard that a kill has met in this build: a row that dies twice by itself is given up,
and rightly.

Bounds: after each round all rows of all stages equal those of the undisturbed build (ids, voices, texts, audio bytes),
`kesc verify` finds nothing, no shard has failed, and what was committed before a kill has kept its bytes; and at least
one process was killed. Exit code 1 where one does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bounds import Bounds
from benchmarks.processes import command_line, descendants, kill, kill_tree, started
from benchmarks.sameness import changed, committed, failures, same_dataset, unnamed
from benchmarks.tonal.world import World, environment

TARGETS = {  # by runner: how often each is drawn
    "local": {"worker": 18, "driver": 2},
    "ray": {"actor": 18, "raylet": 1, "driver": 1},
    "inline": {"driver": 1},
}
SLOW = 0.2  # seconds that an attempt takes at least
_SPARED = re.compile(r"IDLE|Agent")  # the raylet's own, and workers that work for nobody
PATIENCE = 600  # seconds in which an attempt must begin, or the build end


@dataclass
class Tally:
    """What has been killed, built and found wrong so far."""

    wanted: int
    until: float = float("inf")  # on the monotonic clock
    kills: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)  # of builds that were disturbed: exit code, last words
    rounds: int = 0
    attempts: int = 0
    built: int = 0
    left: int = 0  # data files that killed attempts left, which `kesc clean` removes
    wrong: list[str] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        return self.kills.total() < self.wanted and time.monotonic() < self.until


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=22, help="of each language's examples, at most 22")
    parser.add_argument("--store", choices=["folder", "s3"], default="folder")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no more is killed")
    parser.add_argument("--runner", choices=list(TARGETS), default="local")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, _roots(options.store, Path(folder)) as roots:
        tally = Tally(options.kills, began + 60 * options.minutes)
        chaos(tally, Path(folder), roots, options.seed, options.rows, options.runner)
    print(report(tally, time.monotonic() - began), flush=True)
    bounds = Bounds()
    bounds.check("builds with kills equal the undisturbed build", not tally.wrong)
    bounds.at_least("kills", tally.kills.total(), 1)
    return bounds.close()


def chaos(tally: Tally, folder: Path, roots: str, seed: int, rows: int = 22, runner: str = "local") -> None:
    """Kills in builds under `roots` (a folder or URL) until enough are done. `runner`: one of `TARGETS`."""
    world, dice = World(folder / "inputs", rows=rows), random.Random(seed)
    undisturbed, log = f"{roots}/undisturbed", folder / "attempts.txt"
    words = _kesc(world.command(undisturbed, "--inline"))
    calm = subprocess.run(words, env=environment(), capture_output=True, text=True)
    if calm.returncode != 0:
        raise RuntimeError(f"the undisturbed build ended in {calm.returncode}: {calm.stderr[-2000:]}")
    how = "--inline" if runner == "inline" else f"--address={runner}"
    with _starter(runner == "inline", folder, log) as start:
        while tally.goes_on and not tally.wrong:
            root = f"{roots}/round-{tally.rounds}"
            words = world.command(root, how)
            _round(lambda words=words: Build(start(words), log, runner), folder / "said.txt", root, dice, tally)
            tally.wrong += same_dataset(root, undisturbed) + failures(root)
            tally.rounds += 1
            tally.built += len(committed(root))
            tally.left += len(unnamed(root))
            print(f"round {tally.rounds}: {tally.kills.total()} kills so far", file=sys.stderr, flush=True)


def _round(start: Any, said: Path, root: str, dice: random.Random, tally: Tally) -> None:
    """Builds `root` to its end, however often that takes, killing while kills are left."""
    while not tally.wrong:
        before, disturbed, build = committed(root), False, start()
        while build.met(dice, PATIENCE):
            if tally.goes_on and (target := build.kill(dice)):
                tally.kills[target] += 1
                disturbed = True
        code = build.end()
        tally.attempts += build.attempts
        tally.wrong += [f"changed after a kill: {key}" for key in changed(before, committed(root))]
        if disturbed:
            tally.ends[f"{code} {_last_words(said)}".strip()] += 1
        if code == 0:
            return
        if not disturbed:
            tally.wrong.append(f"a build that nobody disturbed ended in {code}: {said.read_text()[-3000:]}")


class Build:
    """One `kesc build` that has been started, and the attempts at shards that it has begun, as its `log` tells them."""

    def __init__(self, driver: Any, log: Path, runner: str) -> None:
        self._driver, self._log, self._targets = driver, log, TARGETS[runner]
        self._known: dict[int, str | None] = {}
        self._killed: set[str] = set()  # shards
        self._met = 0

    @property
    def attempts(self) -> int:
        return len(self._begun())

    def _begun(self) -> list[tuple[int, str]]:
        """(process id, shard) of each attempt."""
        lines = (line.split() for line in self._log.read_text().split("\n")[:-1])
        return [(int(pid), shard) for pid, shard in lines]

    def met(self, dice: random.Random, patience: float) -> bool:
        """Waits for an attempt that no kill has met yet, and a random part of its time. False: the build has ended."""
        end = time.monotonic() + patience
        while self.attempts <= self._met and self._driver.poll() is None:
            if time.monotonic() > end:
                kill_tree(self._driver.pid)
                raise RuntimeError(f"nothing happened for {patience} s")
            time.sleep(0.02)
        time.sleep(dice.random() * SLOW)
        self._met = self.attempts
        return self._driver.poll() is None

    def kill(self, dice: random.Random) -> str | None:
        """Kills one process and says what it was; None where none of the kind that was drawn may be killed now."""
        target = dice.choices(list(self._targets), list(self._targets.values()))[0]
        tree = self._tree()
        if target == "driver":
            kill_tree(self._driver.pid)
            return target
        at_work = dict(self._begun())
        wanted = [pid for pid in tree if _is(target, command_line(pid)) and at_work.get(pid) not in self._killed]
        busy = [pid for pid in wanted if pid in at_work]
        if not wanted:
            return None
        victim = dice.choice(busy if busy and dice.random() < 0.75 else wanted)
        self._killed |= {at_work[victim]} if victim in at_work else set()
        kill(victim)
        return target

    def end(self) -> int:
        """Its exit code; none of its processes is left."""
        self._tree()
        code: int = self._driver.wait()
        for pid, start in self._known.items():
            if start is not None and started(pid) == start:
                kill(pid)
        return code

    def _tree(self) -> list[int]:
        tree = descendants(self._driver.pid)
        self._known |= {pid: started(pid) for pid in tree if pid not in self._known}
        return tree


def _is(target: str, line: str) -> bool:
    if target == "worker":  # or their nursery, which has the same command line
        return "worker.nursery" in line
    return "raylet/raylet" in line if target == "raylet" else line.startswith("ray::") and not _SPARED.search(line)


@contextlib.contextmanager
def _starter(inline: bool, folder: Path, log: Path) -> Iterator[Any]:
    """Gives what starts a build from its words: a session of its own, or for `inline` a fork of one warm process."""
    env, said = environment(SLOW, log=log), folder / "said.txt"
    if not inline:

        def start(words: list[str]) -> subprocess.Popen[bytes]:
            log.write_text("")
            with open(said, "w") as out:
                return subprocess.Popen(_kesc(words), env=env, stdout=out, stderr=out, start_new_session=True)

        yield start
        return
    from tests.faults.builds import Kesc

    kesc = Kesc(folder, env)

    def forked(words: list[str]) -> Any:
        log.write_text("")
        return kesc.start(words)

    yield forked
    kesc.close()


def _last_words(said: Path) -> str:
    lines = [line for line in said.read_text().splitlines() if line.startswith(("kesc:", "Traceback"))]
    return lines[-1][:100] if lines else ""


def _kesc(words: list[str]) -> list[str]:
    return [sys.executable, "-m", "kespeechchat", *words]


@contextlib.contextmanager
def _roots(store: str, folder: Path) -> Iterator[str]:
    if store == "folder":
        yield str(folder)
        return
    from tests.store.s3_server import BUCKET, S3Server  # of the package's test extra

    server = S3Server(folder / "weed")
    os.environ.update(server.environment())
    try:
        yield f"s3://{BUCKET}/chaos"
    finally:
        server.close()


def report(tally: Tally, seconds: float) -> str:
    kinds = ", ".join(f"{n} of {target}s" for target, n in sorted(tally.kills.items()))
    lines = [
        f"kills              {tally.kills.total()}: {kinds}",
        *(f"disturbed builds   {n} ended in {how}" for how, n in sorted(tally.ends.items())),
        f"shards             {tally.built} committed in {tally.rounds} rounds, {tally.attempts} attempts, "
        f"{tally.attempts - tally.built} of them lost; {tally.left} data files left over",
        f"seconds            {seconds:.0f}",
        "compared           " + ("" if tally.wrong else "equal to the undisturbed build; verified; no shard failed"),
    ]
    return "\n".join([*lines, *tally.wrong[:20]])


if __name__ == "__main__":
    sys.exit(main())
