"""What a scene costs an export: CPU seconds, against the same export of clean speech, in one run.

    python -m benchmarks.scenes [--dialogues 60] [--rounds 3]

Dialogues of speech-like sound (24 kHz, 12 s each) are exported in turns: clean, in noise from a folder (48 kHz, stereo,
which has to be resampled and mixed down), clean, … The CPU of all is the process's own. The layout is the default one.
Then rooms, codecs and the search for marks (Perth) are measured alone, as CPU seconds per hour of audio; with them the
time to make a bank of rooms, once. AudioSeal needs weights that are not packaged, so it is not measured here.

Bound: mixing noise at most doubles the export's CPU (the median of the rounds). Exit code 1 where it does not hold.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import soundfile

from benchmarks.bounds import Bounds
from kespeechchat.config.dataset import PartitionSettings
from kespeechchat.config.engines import PerthSettings
from kespeechchat.config.scenes import CodecName, NoiseSettings, RoomSettings, SceneSettings, SideSettings
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.engines.registry import load
from kespeechchat.export.audio_files import encoded
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts import layout_class
from kespeechchat.export.scene_journal import SceneJournal
from kespeechchat.export.scened import Renderer, ScenedDialogues, ScenedRows
from kespeechchat.export.selection import InMemory, select
from kespeechchat.records import Audio
from kespeechchat.scenes.codecs import coded
from kespeechchat.scenes.drawing import Draws
from kespeechchat.scenes.mixing import Float32, int16
from kespeechchat.scenes.rooms import reverberated, rooms_of
from kespeechchat.scenes.sounds import Sounds, files_below

RATE = 24_000
SECONDS = {"user": 4.0, "agent": 8.0}
GENDERS = {"SPK1f": "female", "agentMale": "male"}
MOST = 2.0
NOISY = SideSettings(noise=NoiseSettings(folder="given", snr=(5.0, 20.0)))
LAYOUTS = ("ke-speechchat", "stereo", "huggingface")


def speech(seconds: float, seed: int) -> Float32:
    """Syllables of noise under a falling spectrum, with pauses: what FLAC finds about as hard as speech."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    syllable = np.sin(np.pi * (t % 0.2) / 0.2) * ((t // 0.2).astype(int) % 4 > 0)
    smooth = np.convolve(rng.standard_normal(len(t)), np.hanning(24) / 12, "same")
    return (0.1 * syllable * smooth).astype(np.float32)


def row(number: int) -> dict[str, Any]:
    """A dialogue as stage `gate` left it."""
    turns = [
        {
            **{"role": role, "voice": voice, "text": "How far is the moon?", "transcript": "how far is the moon"},
            **{"seed": 1, "tries": 1, "sample_rate": RATE, "seconds": SECONDS[role], "error_rate": 0.0},
            **{"watermark_score": 1.0, "scores": [], "words": [], "silences": []},
        }
        for role, voice in (("user", "SPK1f"), ("agent", "agentMale"))
    ]
    facts = {"source": "x", "shard": number // 8, "round": 0, "language": "en", "split": "train", "metric": "WER"}
    return {
        "id": f"d-{number:04d}",
        **facts,
        "error_rate": 0.0,
        "edits": 0,
        "units": 9,
        "seconds": 12.0,
        "turns": turns,
    }


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


class Exports:
    """The same dialogues, clean and in noise."""

    def __init__(self, folder: Path, dialogues: int) -> None:
        rows: Any = [row(i) for i in range(dialogues)]
        flacs = [
            {
                role: encoded(int16(speech(seconds, 10 * i + k)), RATE)
                for k, (role, seconds) in enumerate(SECONDS.items())
            }
            for i in range(8)
        ]
        self._folder, self._rows = folder, InMemory(rows)
        self._read = lambda one: flacs[int(one["id"][-4:]) % 8]
        self._sounds = Sounds(files_below(folder / "noise"), folder / "noise")
        self._times = 0

    def clean(self, layout: str) -> None:
        """One export."""
        selection = select(self._rows, seed=1, partitions=PartitionSettings())
        layout_class(layout)().export(Dialogues(selection, self._read, GENDERS), self._to(), BuildFacts())

    def noisy(self, layout: str) -> None:
        """The same in noise."""
        draws, to = Draws("noise", SceneSettings(user=NOISY, agent=NOISY), 1), self._to()
        selection = select(ScenedRows(self._rows, draws), seed=1, partitions=PartitionSettings())
        noises = {"user": self._sounds, "agent": self._sounds}
        renderer = Renderer(draws, noises, {}, lambda audio: 1.0, SceneJournal(to, "note"))
        layout_class(layout)().export(
            ScenedDialogues(selection, self._read, GENDERS, "", renderer=renderer), to, BuildFacts()
        )

    def _to(self) -> Path:
        self._times += 1
        return self._folder / f"out-{self._times}"


def compare(bounds: Bounds, folder: Path, dialogues: int, rounds: int) -> None:
    """Each layout, in turns; the bound is the default layout's."""
    exports = Exports(folder, dialogues)
    for layout in LAYOUTS:
        exports.clean(layout), exports.noisy(layout)  # imports, and the noise in memory
        pairs = [(cpu(partial(exports.clean, layout)), cpu(partial(exports.noisy, layout))) for _ in range(rounds)]
        clean, noisy = (statistics.median(side) for side in zip(*pairs, strict=True))
        hours = dialogues * sum(SECONDS.values()) / 3600
        bound = MOST if layout == LAYOUTS[0] else None
        bounds.compare((f"{layout} in noise", noisy / hours), ("clean", clean / hours), "CPU s/h", at_most=bound)


def costs() -> Mapping[str, float]:
    """CPU seconds per hour of audio, of each part alone."""
    clean, found = speech(12.0, 5), {}
    started = time.process_time()
    rooms = rooms_of(RoomSettings(), RATE, 1)
    found[f"a bank of {len(rooms.rooms)} rooms, once (CPU s)"] = time.process_time() - started
    parts: dict[str, Callable[[], object]] = {"rooms": lambda: reverberated(clean, rooms.rooms[3].response)}
    parts |= {f"codec {name}": partial(coded, clean, RATE, name) for name in get_args(CodecName)}
    perth = load(PerthSettings(use="perth"))
    parts["search for the mark (perth)"] = lambda: perth.detect([Audio(clean, RATE)])
    for name, work in parts.items():
        work()
        found[name] = min(cpu(work) for _ in range(3)) * 3600 / 12.0
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    bounds = Bounds()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "noise").mkdir()
        for i in range(4):
            stereo = np.stack([speech(20.0, 90 + i)] * 2, axis=1)
            soundfile.write(folder / "noise" / f"{i}.wav", stereo, 48_000)
        compare(bounds, folder, asked.dialogues, asked.rounds)
    for what, seconds in costs().items():
        print(f"{what}: {seconds:.1f} CPU s per hour of audio" if "once" not in what else f"{what}: {seconds:.1f}")
    return bounds.close()


if __name__ == "__main__":
    sys.exit(main())
