"""The quick start on rows that nobody tuned to, against an older commit: dialogues, CPU seconds, length of answers.

    git worktree add /tmp/old 905b9e3
    python -m benchmarks.quickstart --old /tmp/old INSTRUCTIONS.jsonl [MORE.jsonl ...]
    python -m benchmarks.quickstart INSTRUCTIONS.jsonl [MORE.jsonl ...] --rows 0        # the new side alone, all rows

Each side builds `pipelines/quickstart.yaml` over the same rows, drawn from the files by hash, in a ROOT of its own,
with this environment's packages. CPU seconds are of all processes under the build, those of Ray included: this process
takes in those whose starter ended, and looks at them until they end.

Bounds, with `--old`: at least 2.5 times as many gated dialogues; at most a quarter of the CPU seconds a gated dialogue;
answers at least twice as long (median words, characters). Exit code 1 where one does not hold.

`--blind FOLDER` writes 30 dialogues of each side, drawn by hash and mixed, as `dialogues.jsonl` without a word of where
they come from, and `key.json`, for a reader who judges them.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bounds import Bounds, number
from benchmarks.processes import CpuBelow
from kespeechchat.commands.rows import Wanted, current_tables
from kespeechchat.config.rounds import split_round
from kespeechchat.seeds import stable_hash
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.saved_profile import load_profile
from kespeechchat.store.opening import open_store
from kespeechchat.text.checks import length

HERE = Path(__file__).parents[1]
YIELD, COST, LONGER = 2.5, 0.25, 2.0
_SUBREAPER = 36  # prctl: orphans of processes below become this one's children


@dataclass(frozen=True)
class Side:
    """One side's gated dialogues (id, language, question, answer) and what its build used."""

    name: str
    dialogues: list[dict[str, Any]]
    yields: dict[str, int]
    cpu: float
    seconds: float

    @property
    def cost(self) -> float:
        """CPU seconds a gated dialogue."""
        return self.cpu / len(self.dialogues) if self.dialogues else float("inf")

    def answer(self, language: str) -> float:
        """Median length of an answer in words (en) or characters (zh)."""
        lengths = [length(d["answer"], d["language"]) for d in self.dialogues if d["language"] == language]
        return statistics.median(lengths) if lengths else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="JSON lines of instructions, as published")
    parser.add_argument("--old", type=Path, help="a worktree of the commit to compare with")
    parser.add_argument("--rows", type=int, default=120, help="rows drawn from all files (0: all)")
    parser.add_argument("--roots", type=Path, help="folder for both ROOTs, kept; default: a temporary one")
    parser.add_argument("--blind", type=Path, help="folder for dialogues to judge")
    given = parser.parse_args()
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.roots or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = _drawn(given.files, given.rows, folder / "rows.jsonl")
        sides = [_build(name, code, rows, folder / name) for name, code in (("old", given.old), ("new", HERE)) if code]
    for side in sides:
        _print(side)
    if given.blind and len(sides) == 2:
        _write_blind(sides, given.blind)
    if len(sides) < 2:
        return 0
    old, new = sides
    bounds = Bounds()
    bounds.at_least("dialogues, new to old", len(new.dialogues) / max(1, len(old.dialogues)), YIELD)
    bounds.compare(("new", new.cost), ("old", old.cost), "CPU s a dialogue", at_most=COST)
    for language, unit in (("zh", "characters"), ("en", "words")):
        if old.answer(language):
            name = f"answers ({language}, {unit}), new to old"
            bounds.at_least(name, new.answer(language) / old.answer(language), LONGER)
    return bounds.close()


def _drawn(files: Sequence[Path], count: int, to: Path) -> Path:
    """Writes the `count` rows of lowest hash (0: all) in plain columns, in the files' order."""
    rows = []
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            rows.append(_plain(json.loads(line)))
    chosen = sorted(range(len(rows)), key=lambda i: stable_hash("quickstart", rows[i]["instruction"], i))
    kept = sorted(chosen[: count or None])
    to.write_text("".join(json.dumps(rows[i], ensure_ascii=False) + "\n" for i in kept), encoding="utf-8")
    return to


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """BELLE's evaluation set and Alpaca's seed tasks name their columns otherwise; older code reads only plain ones."""
    if "instances" in row:
        first = row["instances"][0]
        return {"instruction": row["instruction"], "input": first["input"], "output": first["output"]}
    if "std_answer" in row:
        return {"instruction": row["question"], "output": row["std_answer"], "task": row.get("class")}
    return {name: row.get(name) or "" for name in ("instruction", "input", "output")}


def _build(name: str, code: Path, rows: Path, root: Path) -> Side:
    print(f"{name}: building {rows.name} with {code}", flush=True)
    command = [sys.executable, "-m", "kespeechchat", "build", str(code / "pipelines" / "quickstart.yaml")]
    began = time.perf_counter()
    with (root.parent / f"{name}.log").open("w") as log, CpuBelow() as cpu:
        ended = subprocess.run(
            [*command, "--input", str(rows), "--root", str(root)],
            cwd=code,
            env=os.environ | {"PYTHONPATH": str(code)},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
        seconds = time.perf_counter() - began
        _wait_for_orphans()
    if ended.returncode not in (0, 1):
        raise SystemExit(f"{name}: kesc build ended in {ended.returncode}; see {log.name}")
    return Side(name, *_made(root), cpu.seconds, seconds)


def _wait_for_orphans() -> None:
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _made(root: Path) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The gated dialogues of a ROOT, and how many rows each stage kept."""
    pipeline = load_profile(str(root))
    build_state = BuildState(pipeline, open_store(str(root)))
    dialogues, yields = [], {}
    for unit in pipeline.units:
        stage = unit.stages[-1]
        if split_round(stage)[0] not in ("ingest", "rewrite", "filter", "spoken", "gate"):
            continue
        kept = [row for table in current_tables(build_state, Wanted(stage, status="kept")) for row in table.to_pylist()]
        yields[stage] = len(kept)
        if split_round(stage)[0] == "gate":
            dialogues += [_dialogue(row) for row in kept]
    return dialogues, yields


def _dialogue(row: dict[str, Any]) -> dict[str, Any]:
    said = {turn["role"]: turn["text"] for turn in row["turns"]}
    return {"id": row["id"], "language": row["language"], "question": said["user"], "answer": said["agent"]}


def _print(side: Side) -> None:
    kept = ", ".join(f"{stage} {count}" for stage, count in side.yields.items())
    print(f"{side.name}: {len(side.dialogues)} dialogues; rows kept: {kept}")
    print(f"  {number(side.seconds, 's')} wall, {number(side.cpu, 's')} CPU, {number(side.cost, 'CPU s')} a dialogue")
    print(f"  median answer: {side.answer('zh'):g} characters (zh), {side.answer('en'):g} words (en)", flush=True)


def _write_blind(sides: Sequence[Side], folder: Path, each: int = 30) -> None:
    """`each` dialogues of each side, mixed by hash under new numbers; `key.json` says which is whose."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = []
    for side in sides:
        drawn = sorted(side.dialogues, key=lambda d: stable_hash("blind", d["id"], d["answer"]))[:each]
        chosen += [(side.name, d) for d in drawn]
    chosen.sort(key=lambda pair: stable_hash("mixed", pair[1]["id"], pair[1]["answer"]))
    shown = [{"number": n, **{k: d[k] for k in ("language", "question", "answer")}} for n, (_, d) in enumerate(chosen)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in shown)
    (folder / "dialogues.jsonl").write_text(lines, encoding="utf-8")
    key = {str(n): {"side": name, "id": d["id"]} for n, (name, d) in enumerate(chosen)}
    (folder / "key.json").write_text(json.dumps(key, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
