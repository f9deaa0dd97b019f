"""How well speech tokens keep what is said, by rate: small probes on tokens of voices that they never heard.

    python -m benchmarks.tokens words                      # stock voices that say known words, English
    python -m benchmarks.tokens words --language zh
    python -m benchmarks.tokens phones --speech FOLDER     # people; FOLDER has speakers.tsv: file, speaker, gender

The tokens are those of `engines.tokens`, `use: whisper`: the packaged Whisper encoder's vectors, averaged to each rate,
and a codebook fitted on the training voices alone.

words: Kokoro speaks sentences of random words of a small vocabulary, other sentences in other voices for the test. A
bidirectional GRU learns by CTC to write the words. What is said is known from the text.

phones: half of the speakers train, the other half test, then the other way round. A logistic regression guesses the
phone from five bins of 80 ms around its middle, at every rate alike. Phones and their times are PocketSphinx's
(`benchmarks/phones.py`), which had no part in the tokens; it errs, so the figures are lower than the truth, by the same
judge for every line.

Beside the tokens stand the averaged vectors (what the codebook loses) and 80 mel bands at 50 a second (the plain
speech), both read by the same probe. The figures compare rates and tokenizers; they are no measure of what a language
model would learn from the tokens.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.phones import Judge, Phone
from benchmarks.token_probes import (
    FRAMES,
    Codebook,
    Floats,
    around,
    error_with_spread,
    phone_bits,
    word_errors,
    words_read,
)
from kespeechchat.config.engines import KokoroSettings, WhisperTokensSettings
from kespeechchat.display import columns
from kespeechchat.engines.tokens.whisper import WhisperVectors
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro import Kokoro
from kespeechchat.records import Audio, Language, RowError
from kespeechchat.seeds import stable_hash
from kespeechchat.sound_file import samples_of
from kespeechchat.waveform import resample

RATES = (50.0, 25.0, 12.5, 6.25)
_RATE = 16_000  # Hz
_WORDS = {
    "en": "river garden winter seven yellow market paper mother window slowly carry under bridge honest travel music "
    "silver dinner orange farmer letter nobody purple story pocket happy thunder basket kitchen answer",
    "zh": "河流 花园 冬天 七个 黄色 市场 报纸 妈妈 窗户 慢慢 带着 下面 大桥 老实 旅行 音乐 银色 晚饭 橘子 农民 "
    "书信 没人 紫色 故事 口袋 高兴 打雷 篮子 厨房 回答",
}
WORDS: dict[Language, list[str]] = {"en": _WORDS["en"].split(), "zh": _WORDS["zh"].split()}
TRAINED: dict[Language, list[str]] = {
    "en": ["af_heart", "bf_emma", "am_michael", "bm_george"],
    "zh": ["zf_xiaobei", "zf_xiaoni", "zm_yunjian", "zm_yunxi"],
}
TESTED: dict[Language, list[str]] = {
    "en": ["af_bella", "am_fenrir", "bf_isabella"],
    "zh": ["zf_xiaoxiao", "zm_yunyang", "zm_yunxia"],
}


@dataclass(frozen=True)
class Heard:
    """An utterance: its speaker, and the encoder's vectors and the mel bands of it, both 50 a second."""

    speaker: str
    vectors: Floats
    bands: Floats


@dataclass(frozen=True)
class Said(Heard):
    """An utterance whose words are known."""

    words: list[str]


@dataclass(frozen=True)
class Judged(Heard):
    """An utterance whose phones the judge heard."""

    phones: list[Phone]


class Ear:
    """Vectors and mel bands of audio."""

    def __init__(self) -> None:
        from faster_whisper.feature_extractor import FeatureExtractor

        self._encoder = WhisperVectors(WhisperTokensSettings(use="whisper", rate=FRAMES, threads=1))
        self._bands = FeatureExtractor(feature_size=80, sampling_rate=_RATE, hop_length=_RATE // FRAMES)

    def hear(self, audio: Audio) -> tuple[Floats, Floats]:
        """Float32 [n, 512] and [n, 80], or SystemExit for audio that the encoder cannot hear."""
        vectors = self._encoder.of(audio)
        if isinstance(vectors, RowError):
            raise SystemExit(f"the encoder could not hear an utterance: {vectors.message}")
        bands = self._bands(resample(audio, _RATE).samples, padding=0).T
        return vectors, np.asarray(bands, np.float32)[: len(vectors)]


def readings(
    train: Sequence[Heard], rates: Sequence[float], clusters: int, codebooks: Sequence[int] = (1,)
) -> Iterator[Reading]:
    """Each thing that a probe reads; what is fitted is fitted on `train`."""
    plain = Codebook.of([one.bands for one in train], 1, 0)
    yield Reading("plain speech, 80 mel bands", None, 1, lambda one: plain.read_vectors(one.bands))
    for rate in rates:
        vectors, pool = [one.vectors for one in train], round(FRAMES / rate)
        none = Codebook.of(vectors, pool, 0)
        yield Reading("vectors", rate, pool, lambda one, book=none: book.read_vectors(one.vectors))
        for count in codebooks:
            book = Codebook.of(vectors, pool, clusters, count)
            what = "tokens" if count == 1 else f"tokens of {count} codebooks"
            yield Reading(what, rate, pool, lambda one, book=book: book.read_tokens(one.vectors), book)


@dataclass(frozen=True)
class Reading:
    """`of`: what a probe reads of an utterance, a row for each `pool` frames; `book`: of tokens, what made them."""

    what: str
    rate: float | None
    pool: int
    of: Callable[[Heard], Floats]
    book: Codebook | None = None

    def occurring(self, test: Sequence[Heard]) -> str:
        """How many different tokens occur in `test`."""
        return "" if self.book is None else f"{len({int(t) for one in test for t in self.book.tokens(one.vectors)})}"


def sentences(language: Language, count: int, purpose: str) -> list[list[str]]:
    """`count` sentences of four to six words, drawn by hash."""
    words = WORDS[language]
    lengths = [4 + stable_hash(purpose, n) % 3 for n in range(count)]
    return [[words[stable_hash(purpose, n, k) % len(words)] for k in range(length)] for n, length in enumerate(lengths)]


def spoken(
    tts: Kokoro, said: Sequence[list[str]], voices: Sequence[str], language: Language
) -> list[tuple[str, list[str], Audio]]:
    """(voice, words, speech): each sentence in each voice."""
    pairs = [(words, voice) for voice in voices for words in said]
    joint = " " if language == "en" else ""
    audios = tts.speak(
        [Utterance(joint.join(words).capitalize(), language, tts.style({voice: 1.0}), 0) for words, voice in pairs]
    )
    if broken := [audio for audio in audios if isinstance(audio, RowError)]:
        raise SystemExit(f"{len(broken)} sentences could not be spoken, e.g. {broken[0].message}")
    return [(v, words, audio) for (words, v), audio in zip(pairs, audios, strict=True) if isinstance(audio, Audio)]


def words(asked: argparse.Namespace) -> None:
    """Word errors by rate, on stock voices."""
    language: Language = asked.language
    tts, ear = Kokoro(KokoroSettings(use="kokoro", threads=1)), Ear()
    parts = []
    for purpose, count, voices in (("train", asked.train, TRAINED), ("test", asked.test, TESTED)):
        parts.append(spoken(tts, sentences(language, count, purpose), voices[language], language))
        seconds = sum(audio.seconds for _, _, audio in parts[-1])
        print(f"{purpose}: {len(parts[-1])} sentences, {seconds:.0f} s, {', '.join(voices[language])}", flush=True)
    train, test = ([Said(v, *ear.hear(audio), said) for v, said, audio in part] for part in parts)
    number = {word: place + 1 for place, word in enumerate(WORDS[language])}
    labels, wanted = ([[number[w] for w in one.words] for one in part] for part in (train, test))
    lines = [["tokens a second", "bits a second", "what is read", "word error", "tokens that occur"]]
    if language == "en":
        judge = Judge(WORDS["en"])
        heard = word_errors([judge.words(audio) for _, _, audio in parts[1]], [said for _, said, _ in parts[1]])
        lines.append(["", "", "plain speech, by PocketSphinx", error_with_spread(heard), ""])
    for read in readings(train, asked.rates, asked.clusters):
        inputs = [[read.of(one) for one in part] for part in (train, test)]
        found = words_read(inputs[0], labels, inputs[1], len(number) + 1, asked.steps)
        error = error_with_spread(word_errors(found, wanted))
        lines.append([*_rate(read, asked.clusters), read.what, error, read.occurring(test)])
        print(" | ".join(lines[-1]), flush=True)
    print("\n".join(columns(lines, "><>>>")))


def phones(asked: argparse.Namespace) -> None:
    """What is known of phones by rate, on people."""
    judge, ear = Judge(), Ear()
    heard: list[Judged] = []
    for file, speaker in _clips(asked.speech, asked.clips):
        samples, rate = samples_of(str(file), file.name)
        audio = Audio(samples.mean(axis=1), rate)
        heard.append(Judged(speaker, *ear.hear(audio), judge.phones(audio)))
    speakers = list(dict.fromkeys(one.speaker for one in heard))
    count = sum(len(one.phones) for one in heard)
    seconds = sum(len(one.vectors) for one in heard) / FRAMES
    print(f"{len(speakers)} speakers, {len(heard)} clips, {seconds:.0f} s, {count:,} phones of the judge", flush=True)
    known: dict[tuple[str, ...], list[np.ndarray]] = {}  # line → of each tested speaker: bits, share of phones right
    occurring: dict[tuple[str, ...], list[str]] = {}
    for half in (set(speakers[::2]), set(speakers[1::2])):
        train, test = [o for o in heard if o.speaker in half], [o for o in heard if o.speaker not in half]
        for read in readings(train, asked.rates, asked.clusters, asked.codebooks):
            line = (*_rate(read, asked.clusters), read.what)
            known.setdefault(line, []).extend(_known(read, train, test))
            occurring.setdefault(line, []).append(read.occurring(test))
    lines = [["tokens a second", "bits a second", "what is read", "bits a phone", "phones right", "tokens that occur"]]
    for line, found in known.items():
        mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
        shown = [f"{mean[0]:.2f} ± {error[0]:.2f}", f"{mean[1]:.1%} ± {100 * error[1]:.1f}"]
        lines.append([*line, *shown, " and ".join(filter(None, occurring[line]))])
    print("\n".join(columns(lines, "><>>>>")))


def _known(read: Reading, train: Sequence[Judged], test: Sequence[Judged]) -> Iterator[np.ndarray]:
    """Float64 [2] of each speaker of `test`: bits a phone, and the share of phones that are guessed right."""
    names = [[phone.name for one in part for phone in one.phones] for part in (train, test)]
    found = np.stack(phone_bits(_around(read, train), names[0], _around(read, test), names[1]))
    of = np.array([one.speaker for one in test for _ in one.phones])
    for speaker in sorted(set(of.tolist())):
        yield np.nanmean(found[:, of == speaker], axis=1)


def _around(read: Reading, part: Sequence[Judged]) -> np.ndarray:
    """Float32 [phones, 240]."""
    rows = []
    for one in part:
        known = read.of(one)
        rows += [around(known, read.pool, phone) for phone in one.phones]
    return np.stack(rows)


def _clips(folder: Path, most: int) -> Iterator[tuple[Path, str]]:
    """(file, speaker) of the first `most` clips of each speaker; speakers of a gender beside each other."""
    with (folder / "speakers.tsv").open(encoding="utf-8", newline="") as file:
        rows = sorted(
            csv.DictReader(file, delimiter="\t"), key=lambda row: (row["gender"], row["speaker"], row["file"])
        )
    taken: dict[str, int] = {}
    for row in rows:
        taken[row["speaker"]] = taken.get(row["speaker"], 0) + 1
        if taken[row["speaker"]] <= most:
            yield folder / row["file"], row["speaker"]


def _rate(read: Reading, clusters: int) -> list[str]:
    """The first two columns."""
    if read.rate is None:
        return ["", ""]
    books = 0 if read.book is None else 1 + len(read.book.residual)
    return [f"{read.rate:g}", f"{read.rate * books * np.log2(clusters):.0f}" if books else ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=["words", "phones"])
    parser.add_argument("--language", choices=["en", "zh"], default="en", help="of `words`")
    parser.add_argument("--train", type=int, default=40, help="of `words`: sentences in each training voice")
    parser.add_argument("--test", type=int, default=25, help="of `words`: other sentences in each other voice")
    parser.add_argument("--steps", type=int, default=800, help="of `words`: training of the probe")
    parser.add_argument("--speech", type=Path, help="of `phones`: a folder of clips with speakers.tsv")
    parser.add_argument("--clips", type=int, default=10, help="of `phones`: at most so many clips of a speaker")
    parser.add_argument("--clusters", type=int, default=256)
    parser.add_argument(
        "--codebooks", type=int, nargs="+", default=[1], help="of `phones`: how many, each of what the last left"
    )
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    asked = parser.parse_args()
    if asked.measure == "phones" and asked.speech is None:
        parser.error("phones: name a folder of clips with --speech")
    from threadpoolctl import threadpool_limits  # of scikit-learn

    with threadpool_limits(1):  # one core: threads that wait for each other take more time than they save
        (words if asked.measure == "words" else phones)(asked)


if __name__ == "__main__":
    main()
