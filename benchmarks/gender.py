"""How often the gender engines are right on recordings of known gender: right, unknown and wrong clips per speaker.

    python -m benchmarks.gender CLIPS.tsv [--show 1688]

The TSV has columns `file` (relative to it), `speaker` and `gender` (F or M). The engines are those that need no model
hub: pitch, the probe at even odds with pitch ignored, and the probe as it is set. The figures of `docs/gender.md` are
of 100 clips of LibriSpeech test-other, which took no part in making the probe or in choosing its thresholds.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kespeechchat.config.engines import F0GenderSettings, ProbeGenderSettings
from kespeechchat.engines.gender import GenderScore
from kespeechchat.engines.gender.f0 import f0
from kespeechchat.engines.registry import load
from kespeechchat.records import RowError
from kespeechchat.store.audio import read

GENDERS = {"F": "female", "M": "male"}
EVEN = ProbeGenderSettings(use="probe", at_least=0.5001, against_pitch=0.5001)
ENGINES = {
    "f0": F0GenderSettings(use="f0"),
    "probe at even odds": EVEN,
    "probe": ProbeGenderSettings(use="probe"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--show", help="a speaker whose clips are listed one by one")
    args = parser.parse_args()
    with args.clips.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    audios = [read(str(args.clips.parent / row["file"])) for row in rows]
    said: dict[str, list[GenderScore | RowError]] = {}
    for name, settings in ENGINES.items():
        engine, began = load(settings), time.process_time()
        said[name] = engine.classify(audios)
        print(f"{name}: {1000 * (time.process_time() - began) / len(rows):.1f} ms of CPU a clip")
    speakers = sorted({(row["gender"], row["speaker"]) for row in rows})
    print("speaker", *said, "(right, unknown, wrong)", sep="\t")
    for gender, speaker in speakers:
        own = [i for i, row in enumerate(rows) if row["speaker"] == speaker]
        print(f"{speaker} {gender}", *(_counted(rows, verdicts, own) for verdicts in said.values()), sep="\t")
    print("all", *(_counted(rows, verdicts, range(len(rows))) for verdicts in said.values()), sep="\t")
    for i, (row, audio) in enumerate(zip(rows, audios, strict=True)):
        if row["speaker"] == args.show:
            pitch = np.median(f0(audio.samples, audio.sample_rate))
            print(row["file"], f"{pitch:.0f} Hz", *(verdicts[i] for verdicts in said.values()), sep="\t")


def _counted(rows: list[dict[str, str]], verdicts: list[GenderScore | RowError], which: Iterable[int]) -> str:
    """right/unknown/wrong of the clips `which`; a clip that failed counts as unknown."""
    found = Counter(_judged(verdicts[i], GENDERS[rows[i]["gender"]]) for i in which)
    return "/".join(str(found[name]) for name in ("right", "unknown", "wrong"))


def _judged(verdict: GenderScore | RowError, gender: str) -> str:
    if isinstance(verdict, RowError) or verdict.gender == "unknown":
        return "unknown"
    return "right" if verdict.gender == gender else "wrong"


if __name__ == "__main__":
    main()
