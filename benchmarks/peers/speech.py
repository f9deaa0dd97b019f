"""The utterances of the fifth work: short sentences that the quick start's Kokoro speaks, once for all rounds.

    python -m benchmarks.peers.speech FOLDER COUNT

FOLDER gets a WAV file of 16 kHz each, so that no side resamples, and `utterances.jsonl`: id, text and path. About 0.4 s
of CPU a second of speech, so some four minutes for 200. No sentence has a numeral or a contraction: how a recognizer
spells these is another matter than what it hears.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.sides import ROOT

RATE = 16_000  # Hz
_VOICES = ("af_heart", "am_michael", "bf_emma", "bm_george")
_WHO = ("baker", "teacher", "farmer", "doctor", "painter", "sailor", "gardener", "driver", "singer", "writer")
_DID = ("carried", "found", "brought", "kept", "left", "washed", "painted", "bought", "lost", "hid")
_WHAT = ("basket", "letter", "lamp", "blanket", "kettle", "bicycle", "mirror", "ladder", "hammer", "guitar")
_WHERE = ("garden", "station", "market", "kitchen", "bridge", "library", "river", "castle", "window", "museum")
_HOW_MANY = len(_WHO) * len(_WHAT) * len(_WHERE)
_STRIDE = 367  # has no divisor of that: neighbours differ in every word


def sentence(number: int) -> str:
    """Another one for each number under 1,000.

    >>> sentence(0)
    'The baker carried the basket near the garden.'
    """
    if not 0 <= number < _HOW_MANY:
        raise ValueError(f"{number}: there are {_HOW_MANY} sentences")
    place = number * _STRIDE % _HOW_MANY
    who, what, where = place % 10, place // 10 % 10, place // 100
    return f"The {_WHO[who]} {_DID[(who + what) % 10]} the {_WHAT[what]} near the {_WHERE[where]}."


def utterances(folder: Path, count: int) -> list[dict[str, Any]]:
    """Those in `folder`, spoken now where they are not there yet, in a process of their own: what speaks takes memory,
    and leaves threads."""
    file = folder / "utterances.jsonl"
    if not file.exists():
        words = [sys.executable, "-m", "benchmarks.peers.speech", str(folder), str(count)]
        subprocess.run(words, check=True, cwd=ROOT)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def speak(folder: Path, count: int) -> None:
    """Fills `folder`; whole or not at all."""
    from kespeechchat.config.engines import KokoroSettings
    from kespeechchat.engines.tts import Utterance
    from kespeechchat.engines.tts.kokoro import Kokoro, style
    from kespeechchat.records import RowError
    from kespeechchat.store.audio import resample, write_wav

    styles = [style({voice: 1.0}) for voice in _VOICES]
    texts = [sentence(number) for number in range(count)]
    asked = [Utterance(text, "en", styles[n % len(styles)], seed=0) for n, text in enumerate(texts)]
    audios = Kokoro(KokoroSettings(use="kokoro", threads=2)).speak(asked)
    unfinished = folder.with_name(f"{folder.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with (unfinished / "utterances.jsonl").open("w", encoding="utf-8") as out:
        for number, (text, audio) in enumerate(zip(texts, audios, strict=True)):
            if isinstance(audio, RowError):
                raise RuntimeError(f"{text!r} could not be spoken: {audio.message}")
            name = f"utterance-{number:04d}"
            write_wav(unfinished / f"{name}.wav", resample(audio, RATE))
            row = {"id": name, "row": number, "reference": text, "path": str(folder / f"{name}.wav")}
            out.write(json.dumps(row) + "\n")
    unfinished.rename(folder)


if __name__ == "__main__":
    speak(Path(sys.argv[1]), int(sys.argv[2]))
