"""What blending and rounds cost the sound: the dialogues of a build against the same texts in unblended stock voices.

    kesc build pipelines/quickstart.yaml --root build/quickstart
    python -m benchmarks.sound build/quickstart [--stock 2] [--turns N]

Each gated turn is spoken again by stock voices of its language and its voice's gender (drawn by hash), by the build's
own synthesizer, and marked by its own watermark. Both sides are then cut to their speech, brought to one loudness, put
between the same silences, and scored in the same run: scores of DNSMOS depend on all of these.

A difference is stock less build, turn by turn; its 95 % interval is Student's.

Bounds: the mean difference is at most 0.05 by DNSMOS OVRL and by DistillMOS, in each language. Exit code 1 where one
does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from scipy import stats

from benchmarks.bounds import Bounds
from kespeechchat.config.engines import AllMOSSettings, DistillMOSSettings, DNSMOSSettings
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import TTS, StockVoices, Utterance
from kespeechchat.engines.tts.kokoro_styles import table
from kespeechchat.engines.watermark import Watermark
from kespeechchat.loudness import levelled
from kespeechchat.records import LANGUAGES, Audio, Language, RowError
from kespeechchat.seeds import seed_for
from kespeechchat.silence import silences
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.state.saved_profile import load_profile
from kespeechchat.store.audio import decode, encode_flac
from kespeechchat.store.opening import open_store

HEADS = ("dnsmos_ovrl", "distillmos")
MOST = 0.05  # the bound: points that the build may be under stock voices
LUFS, PEAK, PADDING = -23.0, -1.0, 0.1  # of both sides when they are scored: LUFS, dBTP, s before and after
BATCH = 8  # turns spoken and scored at once
_WORST = 5  # voices shown

Scores = dict[str, float]
Found = TypeVar("Found", Audio, Scores)


@dataclass(frozen=True)
class Turn:
    """A gated turn and its marked speech."""

    dialogue: str
    role: str
    language: Language
    voice: str
    gender: str
    text: str
    audio: Audio


@dataclass(frozen=True)
class Compared:
    """Scores by head of a turn: of the build, of stock voices marked (their mean), and of these before the mark."""

    turn: Turn
    build: Scores
    stock: Scores
    unmarked: Scores

    def difference(self, head: str) -> float:
        """Stock less build."""
        return self.stock[head] - self.build[head]


def turns(rows: FinishedRows, most: int | None) -> Iterator[Turn]:
    """The gated turns, language by language in turn, `most` of each language."""
    genders = {voice["id"]: voice["gender"] for voice in rows.voices}
    for language in LANGUAGES:
        own = (row for row in rows if row["language"] == language)
        yield from islice(
            (
                Turn(
                    row["id"], t["role"], language, t["voice"], genders[t["voice"]], t["text"], decode(audio[t["role"]])
                )
                for row in own
                for audio in (rows.audio(row),)
                for t in row["turns"]
            ),
            most,
        )


def stock_names(turn: Turn, count: int, seed: int) -> list[str]:
    """`count` stock voices of the turn's language and gender, drawn by its dialogue and role; fewer if there are."""
    known = table()
    names = [known.names[i] for i in known.rows(turn.language, turn.gender)]
    drawn = sorted(names, key=lambda name: seed_for(seed, "benchmark", turn.dialogue, turn.role, name))
    return drawn[:count]


def prepared(audio: Audio) -> Audio:
    """The speech of `audio` alone, at one loudness, between silences of one length."""
    found, rate = silences(audio), audio.sample_rate
    start, stop = round(found.leading * rate), round((audio.seconds - found.trailing) * rate)
    level = levelled(Audio(audio.samples[start:stop], rate), LUFS, PEAK).audio
    quiet = np.zeros(round(PADDING * rate), np.float32)
    return Audio(np.concatenate([quiet, level.samples, quiet]), rate)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, lower, upper): the mean and its 95 % interval by Student's t; of one value the interval is infinite."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, -np.inf, np.inf
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


class Sides:
    """Speaks, marks and scores both sides of some turns with the build's own engines."""

    def __init__(self, pipeline: Pipeline, stock: int) -> None:
        tts: TTS = load(pipeline.engine("tts", pipeline.stages.synthesize.tts))
        if not isinstance(tts, StockVoices):
            raise SystemExit(
                f"stages.synthesize.tts: {pipeline.stages.synthesize.tts!r} has no stock voices to compare with "
                "(Kokoro has): give the ROOT of a build of pipelines/quickstart.yaml"
            )
        self.tts, self.style, self.stock, self.seed = tts, tts.style, stock, pipeline.seed
        self.loudness = pipeline.stages.synthesize.loudness
        self.mark: Watermark = load(pipeline.engine("watermark", pipeline.stages.watermark.watermark))
        self.payload = pipeline.stages.watermark.payload
        parts = (DNSMOSSettings(use="dnsmos", windows=1), DistillMOSSettings(use="distillmos", windows=1))
        self.mos = load(AllMOSSettings(use="all", engines=parts))

    def compare(self, some: Sequence[Turn]) -> Iterator[Compared]:
        """Scores of both sides of `some` turns."""
        asked = [(i, name) for i, turn in enumerate(some) for name in stock_names(turn, self.stock, self.seed)]
        plain = self._spoken([(some[i], name) for i, name in asked])
        marked = [_sound(audio) for audio in self.mark.embed(plain, self.payload)]
        stored = [decode(encode_flac(audio)) for audio in marked]
        of_build, of_stock, of_plain = (self._scores(side) for side in ([t.audio for t in some], stored, plain))
        for i, turn in enumerate(some):
            own = [n for n, (of, _) in enumerate(asked) if of == i]
            yield Compared(turn, of_build[i], _mean([of_stock[n] for n in own]), _mean([of_plain[n] for n in own]))

    def _spoken(self, asked: Sequence[tuple[Turn, str]]) -> list[Audio]:
        """Speech of stock voices as `synthesize` would leave it."""
        utterances = [Utterance(turn.text, turn.language, self.style({name: 1.0}), 0) for turn, name in asked]
        spoken = [_sound(audio) for audio in self.tts.speak(utterances)]
        if (level := self.loudness) is None:
            return spoken
        return [levelled(audio, level.lufs, level.true_peak).audio for audio in spoken]

    def _scores(self, audios: Sequence[Audio]) -> list[Scores]:
        return [_sound(scores) for scores in self.mos.score([prepared(audio) for audio in audios])]


def _sound(given: Found | RowError) -> Found:
    if isinstance(given, RowError):
        raise SystemExit(f"cannot be compared: {given.message}")
    return given


def _mean(scores: Sequence[Scores]) -> Scores:
    return {head: float(np.mean([one[head] for one in scores])) for head in HEADS}


def shown(found: Sequence[Compared], bounds: Bounds) -> None:
    """Prints both sides, their difference and its bound, by language and head, and the voices furthest behind."""
    for language in sorted({one.turn.language for one in found}, reverse=True):
        own = [one for one in found if one.turn.language == language]
        print(f"\n{language}: {len(own)} turns in {len({one.turn.voice for one in own})} voices")
        for head in HEADS:
            build, stock, plain = (np.mean([getattr(o, s)[head] for o in own]) for s in ("build", "stock", "unmarked"))
            mean, low, high = interval([one.difference(head) for one in own])
            print(f"  {head}: build {build:.3f}, stock {stock:.3f} (before its mark {plain:.3f})")
            print(f"  {head}: stock less build {mean:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}")
            bounds.at_most(f"{language} {head}: build under stock", mean, MOST)
            print(f"  {head}, by voice: {_by_voice(own, head)}")


def _by_voice(own: Sequence[Compared], head: str) -> str:
    by: Mapping[str, list[float]] = defaultdict(list)
    for one in own:
        by[one.turn.voice].append(one.difference(head))
    behind = sorted(((float(np.mean(v)), len(v), voice) for voice, v in by.items()), reverse=True)[:_WORST]
    return ", ".join(f"{voice} {mean:+.2f} ({count})" for mean, count, voice in behind)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", help="ROOT of a build of the quick start")
    parser.add_argument("--stock", type=int, default=2, help="stock voices that speak each text (default 2)")
    parser.add_argument("--turns", type=int, default=None, help="at most so many turns of each language")
    options = parser.parse_args()
    pipeline = load_profile(options.root)
    rows = FinishedRows(pipeline, open_store(options.root))
    sides, every, found = Sides(pipeline, options.stock), turns(rows, options.turns), list[Compared]()
    while some := list(islice(every, BATCH)):
        found += sides.compare(some)
        print(f"\r{len(found)} turns", end="", file=sys.stderr, flush=True)
    bounds = Bounds()
    shown(found, bounds)
    return bounds.close()


if __name__ == "__main__":
    sys.exit(main())
