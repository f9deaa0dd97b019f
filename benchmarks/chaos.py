"""kill -9, N times, at random moments of real builds; then what stands is held against an undisturbed build.

    python -m benchmarks.chaos --kills 200 --seed 1
    python -m benchmarks.chaos --kills 50 --store s3           # SeaweedFS on loopback

`kesc build` runs all stages on a Ray of its own. One process at a time is killed: an actor (a worker, or what counts
for the driver), the raylet, or the driver with its whole tree. When a build has ended, the same command goes on. What
is built before N kills are done is checked, and a fresh ROOT begun, so that no kill meets a build with nothing to do.

The engines are of tones (benchmarks/tonal): audio for every stage at no cost, so that the kills meet the store, the
runner and Ray. A kill waits for an attempt at a shard to begin, and a random part of that attempt's time more.

After each round: all rows of all stages equal those of the undisturbed build (ids, voices, texts, audio bytes), `kesc
verify` holds, nothing is failed, and whatever was committed before a kill has kept its bytes. Else the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import command_line, descendants, kill, kill_tree, started
from benchmarks.sameness import changed, committed, failures, same_dataset
from benchmarks.tonal.world import World, environment

TARGETS = {"actor": 18, "raylet": 1, "driver": 1}  # how often each is drawn
SLOW = 0.2  # seconds that an attempt takes at least
PATIENCE = 300  # seconds in which an attempt must begin, or the build end


@dataclass
class Tally:
    kills: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)  # of builds that were disturbed: exit code, last words
    rounds: int = 0
    attempts: int = 0
    built: int = 0
    given_up: int = 0  # shards whose worker was killed three times in one build; a later one built them
    wrong: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=22, help="of each language's examples, at most 22")
    parser.add_argument("--store", choices=["folder", "s3"], default="folder")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, _roots(asked.store, Path(folder)) as roots:
        tally = chaos(Path(folder), roots, asked.kills, asked.seed, asked.rows)
    print(report(tally, time.monotonic() - began), flush=True)
    sys.exit(1 if tally.wrong else 0)


def chaos(folder: Path, roots: str, kills: int, seed: int, rows: int = 22) -> Tally:
    """Kills in builds under `roots` (a folder or URL) until so many are done; what became of it."""
    world, dice, tally = World(folder / "inputs", rows=rows), random.Random(seed), Tally()
    undisturbed = f"{roots}/undisturbed"
    calm = subprocess.run(
        _kesc(world.command(undisturbed, "--inline")), env=environment(), capture_output=True, text=True
    )
    if calm.returncode != 0:
        raise RuntimeError(f"the undisturbed build ended in {calm.returncode}: {calm.stderr[-2000:]}")
    while sum(tally.kills.values()) < kills and not tally.wrong:
        root = f"{roots}/round-{tally.rounds}"
        _round(world.command(root), folder / "said.txt", root, kills, dice, tally)
        tally.wrong += same_dataset(root, undisturbed)
        tally.rounds += 1
        tally.built += len(committed(root))
        tally.given_up += len(failures(root))
        print(f"round {tally.rounds}: {sum(tally.kills.values())} kills so far", file=sys.stderr, flush=True)
    return tally


def _round(words: list[str], said: Path, root: str, kills: int, dice: random.Random, tally: Tally) -> None:
    """Builds `root` to its end, however often that takes, killing while kills are left."""
    while not tally.wrong:
        before = committed(root)
        build = Build(words, said)
        disturbed = False
        while build.met(dice, PATIENCE):
            left = kills - sum(tally.kills.values())
            target = dice.choices(list(TARGETS), list(TARGETS.values()))[0]
            if left > 0 and build.kill(target, dice):
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
    """One `kesc build` in a session of its own, and the attempts at shards that it has begun."""

    def __init__(self, words: list[str], said: Path) -> None:
        self._log = said.with_suffix(".attempts")
        self._log.write_text("")
        env = environment(SLOW, log=self._log)
        with open(said, "w") as out:
            self._driver = subprocess.Popen(_kesc(words), env=env, stdout=out, stderr=out, start_new_session=True)
        self._known: dict[int, str | None] = {}
        self._met = 0

    @property
    def attempts(self) -> int:
        return len(self._workers())

    def _workers(self) -> list[int]:
        """Process ids, an attempt each."""
        return [int(line) for line in self._log.read_text().split("\n")[:-1]]

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

    def kill(self, target: str, dice: random.Random) -> bool:
        """Kills one process of that kind (of actors every other time the one that is at work); False: there is none."""
        tree = self._tree()
        if target == "driver":
            return kill_tree(self._driver.pid) > 0
        wanted = [pid for pid in tree if _is(target, command_line(pid))]
        busy = [pid for pid in self._workers()[-1:] if pid in wanted]
        if wanted:
            kill(busy[0] if busy and dice.random() < 0.5 else dice.choice(wanted))
        return bool(wanted)

    def end(self) -> int:
        """Its exit code; none of its processes is left."""
        self._tree()
        code = self._driver.wait()
        for pid, start in self._known.items():
            if start is not None and started(pid) == start:
                kill(pid)
        return code

    def _tree(self) -> list[int]:
        tree = descendants(self._driver.pid)
        self._known |= {pid: started(pid) for pid in tree if pid not in self._known}
        return tree


def _is(target: str, line: str) -> bool:
    return "raylet/raylet" in line if target == "raylet" else line.startswith("ray::") and "IDLE" not in line


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
    kills = sum(tally.kills.values())
    lines = [
        f"kills              {kills}: " + ", ".join(f"{n} of {target}s" for target, n in sorted(tally.kills.items())),
        *(f"disturbed builds   {n} ended in {how}" for how, n in sorted(tally.ends.items())),
        f"shards             {tally.built} committed in {tally.rounds} rounds, {tally.attempts} attempts, "
        f"{tally.attempts - tally.built} lost to kills; {tally.given_up} given up by one build, built by the next",
        f"seconds            {seconds:.0f}",
        "compared           " + ("equal to the undisturbed build, verified, nothing failed" if not tally.wrong else ""),
    ]
    return "\n".join([*lines, *tally.wrong[:20]])


if __name__ == "__main__":
    main()
