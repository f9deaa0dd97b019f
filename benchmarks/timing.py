"""What a timeline costs: the stereo layout with audio, with the timeline of the quick start and without one.

    python -m benchmarks.timing [--dialogues 60] [--repeats 3]

Dialogues have one to three exchanges of 4 s and 12 s, word times and made-up texts, and lie in memory. Both sides are
exported in turns in one process; the figure is the ratio of the best CPU seconds of each. The same ratio of the paper's
layout without audio, which writes a dialogue in a quarter of a millisecond, is printed and has no bound.

Bound: at most 1.15. Exit code 1 where it does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.bounds import Bounds
from benchmarks.products import PARTITIONS, RATE, shard_rows
from kespeechchat.config.timing import BargeIn, Offsets, TimingSettings
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.timeline import Timing
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts.ke_speechchat import KeSpeechChat
from kespeechchat.export.layouts.stereo import Stereo
from kespeechchat.export.selection import InMemory, Selection, select
from kespeechchat.records import Audio, turn_names
from kespeechchat.rows import FinishedRow
from kespeechchat.store.audio import encode_flac

MOST = 1.15
VOICES = 600
DRAWN = TimingSettings(  # as pipelines/quickstart.yaml has it
    agent_after_user=Offsets(mean=0.2, std=0.3, low=-0.3, high=1.2),
    user_after_agent=Offsets(mean=0.4, std=0.4, low=-0.3, high=1.8),
    barge_in=BargeIn(probability=0.15),
)


def dialogues(count: int) -> list[FinishedRow]:
    """Rows of one to three exchanges with word times."""
    rows = []
    for number in range(-(-count // 300)):
        for k, row in enumerate(shard_rows(number, 300, VOICES)):
            turns = [_with_words(turn, row["language"], n) for n in range(1 + k % 3) for turn in row["turns"]]
            rows.append({**row, "turns": turns, "shard": number, "round": 0})
    return rows[:count]  # type: ignore[return-value]


def _with_words(turn: dict, language: str, exchange: int) -> dict:
    text = f"{turn['text']} {exchange}" if exchange else turn["text"]
    turn = {**turn, "seconds": 12.0 if turn["role"] == "agent" else 4.0}
    words = list(text) if language == "zh" else text.split()
    edges = np.linspace(0, turn["seconds"], len(words) + 1).tolist()
    timed = [{"text": w, "start": a, "end": b} for w, a, b in zip(words, edges, edges[1:], strict=False)]
    return {**turn, "text": text, "words": timed, "silences": []}


def export(selection: Selection, genders: dict[str, str], timing: TimingSettings, audio: bool) -> float:
    """CPU seconds of one export."""
    layout = Stereo() if audio else KeSpeechChat(processes=1)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        made = Dialogues(selection, speech if audio else None, genders, "", Timing(timing, 5))
        layout.export(made, Path(folder) / "x", BuildFacts())
        return time.process_time() - began


@cache
def noise(seconds: float) -> bytes:
    """FLAC of noise at the level of speech."""
    samples = np.random.default_rng(int(seconds)).normal(0, 0.05, round(seconds * RATE)).astype(np.float32)
    return encode_flac(Audio(samples, RATE))


def speech(row: FinishedRow) -> dict[str, bytes]:
    """FLAC of each turn."""
    names = turn_names(turn["role"] for turn in row["turns"])
    return {name: noise(turn["seconds"]) for name, turn in zip(names, row["turns"], strict=True)}


def ratio(selection: Selection, genders: dict[str, str], repeats: int, audio: bool) -> tuple[float, float]:
    """The best CPU seconds with a timeline, and without."""
    sides = [[export(selection, genders, t, audio) for t in (TimingSettings(), DRAWN)] for _ in range(repeats)]
    return min(drawn for _, drawn in sides), min(plain for plain, _ in sides)


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    rows = dialogues(given.dialogues)
    genders = {turn["voice"]: "female" for row in rows for turn in row["turns"]}
    selection = select(InMemory(rows), seed=5, partitions=PARTITIONS, processes=1)
    drawn, plain = ratio(selection, genders, given.repeats, audio=False)
    print(f"without audio: {drawn:.3f} s with a timeline, {plain:.3f} s without")
    drawn, plain = ratio(selection, genders, given.repeats, audio=True)
    bounds = Bounds()
    bounds.compare(("with a timeline", drawn), ("without", plain), "s", at_most=MOST)
    return bounds.close()


if __name__ == "__main__":
    sys.exit(main())
