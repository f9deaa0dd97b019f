"""We beside distilabel, datatrove, data-juicer and NeMo Curator: the same works on the same cores, in one go.

    make peers                                                          # the environments, then all of it
    python -m benchmarks.peers --rows 200 600 --six 1000 3000 --units 200 --killed 300 --rounds 1 --folder /tmp/peers
    python -m benchmarks.peers --only generate --sides kespeechchat datatrove

Every round does each work with each side in turn; the figures are medians. A side's environment is `.venv-peers/NAME`;
one that is missing, or a work that fails, has its reason in the table in place of a figure. Results are kept in
`--folder`, so that a later call with `--only` or `--sides` replaces some of them; those of other sizes are dropped.
`--write` makes `benchmarks/peers.md` of them.

Bounds: a further row of text generation costs us at most 1.1 times the server's limit, and no peer that has a figure is
ahead of us in a work. Exit code 1 where one does not hold.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.bounds import Bounds
from benchmarks.peers.runs import SideFailed
from benchmarks.peers.sides import ROOT, SIDES, Side
from benchmarks.peers.table import Results, judge, page
from benchmarks.peers.works import WORKS, Figures, Sizes

PAGE = ROOT / "benchmarks" / "peers.md"


def main() -> int:
    options = _options()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    sides = [side for side in SIDES if side.name in options.sides]
    sizes = Sizes(
        tuple(options.rows),
        tuple(options.six),
        options.batch,
        options.units,
        options.killed,
        options.patience,
        options.utterances,
    )
    results: Results = _read(folder / "results.json")
    for work in options.only:
        found = _alternating(work, sides, folder, sizes, options.rounds)
        results[work] = _kept(results.get(work, {}), sizes) | found | {"sizes": vars(sizes)}
        (folder / "results.json").write_text(json.dumps(results, indent=1))
    if options.write:
        PAGE.write_text(page(results), encoding="utf-8")
        print(f"written: {PAGE.relative_to(ROOT)}")
    bounds = Bounds()
    judge(results, bounds)
    return bounds.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [side.name for side in SIDES]
    parser.add_argument("--rows", type=int, nargs=2, default=(2000, 6000), help="of text generation")
    parser.add_argument("--six", type=int, nargs=2, default=(20_000, 100_000), help="rows of six trivial stages")
    parser.add_argument("--batch", type=int, default=1000, help="rows that a trivial stage gets at once")
    parser.add_argument("--units", type=int, default=20_000, help="finished units that are found finished")
    parser.add_argument("--killed", type=int, default=2000, help="rows of the run that is killed at the half")
    parser.add_argument("--utterances", type=int, default=200, help="of speech that is recognized and scored")
    parser.add_argument("--patience", type=float, default=1800, help="seconds that one run of a side may take")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(WORKS), default=list(WORKS), help="works")
    parser.add_argument("--sides", nargs="+", choices=names, default=names)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "peers")
    parser.add_argument("--write", action="store_true", help="write benchmarks/peers.md")
    return parser.parse_args()


def _read(file: Path) -> Results:
    return json.loads(file.read_text()) if file.exists() else {}


def _kept(earlier: dict[str, Any], sizes: Sizes) -> dict[str, Any]:
    """What an earlier call found, where its sizes were the same: figures of others are not comparable. Another patience
    makes no other work."""
    before, now = (
        dict(of) | {"patience": None} for of in (earlier.get("sizes", {}), json.loads(json.dumps(vars(sizes))))
    )
    return earlier if before == now else {}


def _alternating(work: str, sides: list[Side], folder: Path, sizes: Sizes, rounds: int) -> dict[str, Any]:
    """By side: its version and the median of each figure over the rounds that it finished, or why it has none. A side
    that fails is not asked again; `rounds` says how many it finished."""
    gone: dict[str, list[Figures]] = {side.name: [] for side in sides}
    why = {side.name: side.cannot[work] for side in sides if work in side.cannot}
    versions = {side.name: side.version() for side in sides}
    why |= {name: "its environment is missing: `make peers`" for name, version in versions.items() if version is None}
    for number in range(rounds):
        for side in sides:
            if side.name in why:
                continue
            try:
                found = WORKS[work](side, folder / work / side.name, sizes)
            except SideFailed as error:
                why[side.name] = str(error)
                print(f"{work} {number + 1}/{rounds} {side.name}: {error}", file=sys.stderr, flush=True)
                continue
            gone[side.name].append(found)
            told = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
            print(f"{work} {number + 1}/{rounds} {side.name}: {told}", flush=True)
    return {
        side.name: {"version": versions[side.name], "rounds": len(gone[side.name])}
        | ({"figures": _medians(gone[side.name])} if gone[side.name] else {"why": why[side.name]})
        for side in sides
    }


def _medians(found: list[Figures]) -> Figures:
    return {name: statistics.median(figures[name] for figures in found) for name in found[0]}


if __name__ == "__main__":
    sys.exit(main())
