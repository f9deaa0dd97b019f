"""Stages of unequal speed, overlapped and one after the other. Engines sleep for given times; the rest is real.

    python -m benchmarks.overlap
    python -m benchmarks.overlap --shards 40 --tts 0.5 --asr 1.5 --ahead 4

Dialogues and voices are recorded; then `kesc build` on Ray speaks, marks, measures and gates them (one actor a stage)
with engines that sleep in place of a model (benchmarks/doubles.py). It is built twice: as the profile has it, its three
units in one phase, and with a phase for each. Printed of both:

* the wall of the work, from the first shard's start to the last one's end: without starting Ray and the first actors,
  with the start of those of later phases;
* the busy share of the slowest stage: seconds its shards took, of those between its first start and its last end;
* the most audio that had been spoken and not yet gated, as files on disk;
* the driver's peak memory, and what workers held after their first and after their last shard.

Bounds: while stages overlap, at most `--ahead` shards of audio wait for the gate; and overlapping takes no longer than
stage by stage. Exit code 1 where one does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bounds import Bounds
from benchmarks.measured import PROFILE, Run, kesc
from benchmarks.processes import Sampled
from benchmarks.recorded import ANY_LANGUAGE, Unsynced, fill, questions, recipe
from kespeechchat.config.load import load_pipeline
from kespeechchat.state.orders import Order

AUDIO = ("watermark", "measure", "gate")  # the units that run; `synthesize` is fused into the first
BEFORE = {"ingest", "rewrite", "filter", "spoken", "corpus", "clips", "speakers", "blend", "audition", "voices"}
PHASES = (
    "phases=[{name: text, stages: [ingest, rewrite, filter, spoken]}, "
    "{name: voices, stages: [corpus, clips, speakers, blend, audition, voices]}, "
    "{name: speak, stages: [[synthesize, watermark]]}, {name: measure, stages: [measure]}, "
    "{name: judge, stages: [gate]}]"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=24)
    parser.add_argument("--rows", type=int, default=8, help="dialogues of a shard")
    parser.add_argument("--tts", type=float, default=1.0, help="seconds to speak a shard")
    parser.add_argument("--watermark", type=float, default=0.2, help="seconds to mark a shard")
    parser.add_argument("--asr", type=float, default=2.0, help="seconds to recognize a shard")
    parser.add_argument("--ahead", type=int, default=4, help="audio_ahead: shards spoken and not yet gated")
    options = parser.parse_args()
    engines = {name: getattr(options, name) for name in ("tts", "watermark", "asr")}
    bounds = Bounds()
    with tempfile.TemporaryDirectory() as folder:
        ahead = f"audio_ahead={options.ahead}"
        overlapped = measure(Path(folder) / "overlapped", options.shards, options.rows, engines, [ahead])
        print(f"overlapped: {overlapped}", flush=True)
        in_turn = measure(Path(folder) / "in-turn", options.shards, options.rows, engines, [PHASES])
        print(f"stage by stage: {in_turn}", flush=True)
    bounds.at_most("audio that waits for the gate, overlapped", overlapped.audio_shards, options.ahead, "shards")
    bounds.compare(("overlapped", overlapped.wall), ("stage by stage", in_turn.wall), "s", at_most=1.0)
    return bounds.close()


@dataclass(frozen=True)
class Measured:
    """What one build did."""

    wall: float  # seconds from the first shard's start to the last one's end
    slowest: str
    busy_share: float  # of the slowest stage
    audio: int  # bytes
    audio_shards: int
    driver: float  # MiB
    workers: dict[str, tuple[float, float]]  # MiB after the first and after the last call

    def __str__(self) -> str:
        workers = ", ".join(f"{n} {first:.0f} → {last:.0f} MiB" for n, (first, last) in self.workers.items())
        return (
            f"{self.wall:.1f} s; {self.slowest} was busy {self.busy_share:.0%} of its time; at most "
            f"{self.audio_shards} shards ({self.audio / 2**20:.1f} MiB) of audio waited to be gated; driver "
            f"{self.driver:.0f} MiB; workers {workers}"
        )


def measure(where: Path, shards: int, rows: int, engines: dict[str, float], overrides: list[str]) -> Measured:
    """Builds `shards` shards of `rows` dialogues with engines that take so many seconds a shard."""
    words, root = prepare(where, shards, rows, overrides)
    with Watched(root) as watched:
        run = build(words, {**engines, "log": str(where / "log")})
    spans = {unit: _spans(root / unit) for unit in AUDIO}
    began, ended = min(s for u in spans.values() for s, _ in u), max(e for u in spans.values() for _, e in u)
    busy = {unit: sum(end - start for start, end in found) for unit, found in spans.items()}
    slowest = max(busy, key=lambda unit: busy[unit])
    span = max(end for _, end in spans[slowest]) - min(start for start, _ in spans[slowest])
    memory = _memory(where / "log")
    return Measured(ended - began, slowest, busy[slowest] / span, watched.bytes, watched.shards, run.peak, memory)


def prepare(where: Path, shards: int, rows: int, overrides: list[str]) -> tuple[list[str], Path]:
    """A ROOT with everything before `synthesize` recorded. Returns the arguments of `kesc build`, and the ROOT."""
    where.mkdir(parents=True)
    file, root = questions(where / "questions.jsonl", shards), where / "root"
    speech = recipe(where / "speech.yaml", 20)
    overrides = [
        ANY_LANGUAGE,
        "instructions.shard_size=1",
        f"speech.inputs=[{{path: {speech}}}]",
        "guards={}",
        "rounds=[]",
        "stages.measure.auditor=null",  # recorded voices were heard by nobody
        "stages.synthesize.loudness=null",  # the doubles write the text into the samples
        "stages.gate.min_own_voice=null",
        *overrides,
    ]
    pipeline = load_pipeline(PROFILE, tuple(overrides), inputs=[file], root=str(root))
    fill(pipeline, Unsynced(str(root)), BEFORE, lambda order: _rows(order, rows))
    words = [str(PROFILE), "--root", str(root), "--input", str(file), *(w for o in overrides for w in ("--set", o))]
    return words, root


def build(words: list[str], recorded: dict[str, Any]) -> Run:
    """Runs `kesc build` with engines that sleep: `recorded` is what benchmarks/inject reads."""
    here = Path(__file__).parent
    paths = f"{here / 'inject'}:{here.parent}"
    return kesc("build", *words, "--address=ray", env={"PYTHONPATH": paths, "KESC_RECORDED": json.dumps(recorded)})


def _rows(order: Order, count: int) -> list[dict[str, Any]]:
    if order.name == "voices":
        voice = {"gender": "female", "embedding": [0.0] * 256, "seconds_per_character": 0.12, "xvectors": []}
        splits = {"user": ("train", "dev", "test"), "agent": (None,)}
        return [{**voice, "id": f"{r}-{s}", "role": r, "split": s} for r, of in splits.items() for s in of]
    if order.name != "spoken":
        return [{"id": f"{order.name}-{order.key.shard}"}]
    said = "请问从这里到那个地方有多远？" if order.language == "zh" else "How far is it from here to there?"
    row = {"source": "q", "language": order.language, "split": "train", "instruction": said, "response": said * 2}
    return [{**row, "id": f"q-{order.key.shard}-{n}"} for n in range(count)]


def _spans(unit: Path) -> list[tuple[float, float]]:
    """(start, end) of each shard's work: a record is written as the work ends."""
    found = []
    for record in (unit / "commits").glob("*.json"):
        end = record.stat().st_mtime
        found.append((end - json.loads(record.read_bytes())["seconds"], end))
    return found


def _memory(log: Path) -> dict[str, tuple[float, float]]:
    """Per engine, MiB of its process after its first and after its last call."""
    held: dict[str, list[float]] = defaultdict(list)
    for line in log.read_text().splitlines():
        name, _, size = line.split()
        held[name].append(int(size) / 2**20)
    return {name: (sizes[0], sizes[-1]) for name, sizes in held.items()}


class Watched(Sampled):
    """The most audio that stood in `root` ungated at a time, looked at five times a second."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self.bytes = self.shards = 0

    def look(self) -> None:
        """See `Sampled.look`."""
        gated = {path.name.split(".")[0] for path in (self._root / "gate" / "commits").glob("*.json")}
        files = (self._root / "watermark" / "data").glob("shard-*")
        audio = [path for path in files if path.name.split(".")[0] not in gated]
        self.bytes = max(self.bytes, sum(path.stat().st_size for path in audio))
        self.shards = max(self.shards, len(audio))


if __name__ == "__main__":
    sys.exit(main())
