"""Whisper (Radford et al., arXiv 2212.04356) in CTranslate2 through faster-whisper.

**Window.** Whisper pads what it hears to 30 s, so a 3 s utterance costs as much encoder as a 30 s one, and on a CPU
the encoder is nearly all the cost. CTranslate2 takes shorter input: with `padding` seconds of silence after the speech
instead of the whole 30 s, the base model ran 6 to 7 times as fast with no more errors (`benchmarks/asr.py`). Silence is
needed: with 1 s of it, or with zeros in place of silent features, the model repeats itself. With 4 s it still says a
sentence twice now and then, so what says six characters twice in a row, or fails Whisper's own two limits (too
repetitive, too unlikely), is heard again in the whole window.

**Batches** hold utterances of one window length, a whole number of seconds that an utterance's own length gives, so
batching never pads one utterance for another's sake. Batches are laid out over all that one `transcribe` call is
given. Decoding is a beam at temperature 0, never sampled. On a CPU, text and scores came out the same to the bit alone
and in batches of 8 and 16, in either order, with 1 and 2 threads; a batch saves no time there.

**Word times** are Whisper's own alignment (cross-attention, dynamic time warping) of the decoded text with what the
encoder made of the audio already, so they cost one pass of the decoder and no second hearing.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import merge_punctuations

from kespeechchat.config.base import pick
from kespeechchat.config.engines import FasterWhisperSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.asr import ASR, Transcript
from kespeechchat.engines.models import identify, resolve
from kespeechchat.records import LANGUAGES, Audio, Language, RowError, Word
from kespeechchat.waveform import defect, resample

RATE = 16000  # Hz
FULL = 30  # s, Whisper's own window
_FRAMES = 100  # feature frames a second
_SHORTEST = 0.1  # s
# Whisper's own limits for a failed decoding: over this text is repetitive, under this it is unlikely.
_REPETITIVE, _UNLIKELY = 2.4, -1.0
_TWICE = re.compile(r"(.{6,})\1", re.DOTALL)
# No speech has more tokens a second; a decoder that loops is stopped there, not at 448.
_TOKENS_AT_LEAST, _TOKENS_PER_SECOND = 32, 16
_BEFORE, _AFTER = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"  # punctuation that goes with the word after, before it
_MOST_TOKENS = 448  # Whisper's text context


class FasterWhisper(ASR):
    """A model per language, loaded when its language is first asked for (one shard holds one language)."""

    deterministic = True

    def __init__(self, settings: FasterWhisperSettings) -> None:
        self._settings = settings
        self._models: dict[str, WhisperModel] = {}

    def identity(self) -> dict[str, str]:
        """The models' revisions by language (`model` where one serves all) and the libraries' versions."""
        named = self._settings.model
        models = (
            {"model": identify(named)}
            if isinstance(named, str)
            else {f"model.{k}": identify(v) for k, v in named.items()}
        )
        libraries = ("faster-whisper", "ctranslate2")
        return {**models, "compute_type": self._settings.compute_type, **{name: version(name) for name in libraries}}

    def transcribe(self, audios: Sequence[Audio], language: Language) -> list[Transcript | RowError]:
        """Transcripts in the order of `audios`. Empty text is a transcript: nothing was recognized.

        An utterance that is empty, broken or under 0.1 s is a RowError. Raises EngineError if no model serves
        `language`.
        """
        model = self._model(language)
        faults = {i: fault for i, audio in enumerate(audios) if (fault := defect(audio, _SHORTEST))}
        heard = {i: resample(audio, RATE).samples for i, audio in enumerate(audios) if i not in faults}
        short = {i: samples for i, samples in heard.items() if len(samples) <= FULL * RATE}
        long = {i: _long(model, heard[i], language, self._settings.beam) for i in heard if i not in short}
        first = self._batched(short, model, language, self._settings.padding)
        doubtful = {i: samples for i, samples in short.items() if self._window(samples) < FULL and _failed(first[i])}
        again = self._batched(doubtful, model, language, None)
        found: dict[int, Transcript | RowError] = {**faults, **long, **first, **again}
        return [found[i] for i in range(len(audios))]

    def _batched(
        self, heard: dict[int, Float32], model: WhisperModel, language: Language, padding: float | None
    ) -> dict[int, Transcript]:
        """Recognizes `heard` (float32 [T] at 16 kHz, ≤ 30 s, by position) in batches of one window length."""
        by_window: dict[int, list[int]] = defaultdict(list)
        for i, samples in heard.items():
            by_window[_window(len(samples) / RATE, padding)].append(i)
        out: dict[int, Transcript] = {}
        size = self._settings.batch
        for seconds, members in sorted(by_window.items()):
            for at in range(0, len(members), size):
                batch = members[at : at + size]
                texts = _decode(model, [heard[i] for i in batch], seconds, language, self._settings.beam)
                out |= zip(batch, texts, strict=True)
        return out

    def _window(self, samples: Float32) -> int:
        return _window(len(samples) / RATE, self._settings.padding)

    def _model(self, language: Language) -> WhisperModel:
        if language not in LANGUAGES or (
            isinstance(self._settings.model, dict) and language not in self._settings.model
        ):
            raise EngineError(f"asr.model names no model for language {language!r}: it has {self._settings.model!r}")
        name = pick(self._settings.model, language)
        if name not in self._models:
            self._models[name] = _load(name, self._settings)
        return self._models[name]


def _load(name: str, settings: FasterWhisperSettings) -> WhisperModel:
    folder = resolve(name)
    try:
        model = WhisperModel(
            str(folder),
            device=settings.device,
            compute_type=settings.compute_type,
            cpu_threads=settings.threads,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as e:
        raise EngineError(
            f"asr.model {name!r} at {folder} does not load as a CTranslate2 Whisper model on {settings.device} with "
            f"compute_type {settings.compute_type!r}: {e}"
        ) from e
    return model


def _window(seconds: float, padding: float | None) -> int:
    """Whole seconds that the encoder hears of an utterance of `seconds`."""
    return FULL if padding is None else min(FULL, math.ceil(seconds + padding))


def _failed(heard: Transcript) -> bool:
    return (
        (heard.compression_ratio or 0.0) > _REPETITIVE
        or (heard.avg_logprob or 0.0) < _UNLIKELY
        or _TWICE.search(re.sub(r"\W+", "", heard.text.lower())) is not None
    )


def _decode(
    model: WhisperModel, utterances: list[Float32], window: int, language: Language, beam: int
) -> list[Transcript]:
    """One batch: utterances (float32 [T] at 16 kHz), each followed by silence up to `window` seconds."""
    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
    prompt = model.get_prompt(tokenizer, [], without_timestamps=True)
    features = np.stack([_features(model, samples, window) for samples in utterances])
    encoded = model.encode(features)
    results = model.model.generate(
        encoded,
        [list(prompt) for _ in utterances],
        beam_size=beam,
        max_length=min(_MOST_TOKENS, len(prompt) + _TOKENS_AT_LEAST + _TOKENS_PER_SECOND * window),
        suppress_blank=True,
        return_scores=True,
        return_no_speech_prob=True,
        sampling_temperature=0.0,
        **_suppressed(tokenizer),
    )
    lengths = [math.ceil(len(samples) / RATE * _FRAMES) for samples in utterances]
    times = _aligned(model, tokenizer, encoded, [result.sequences_ids[0] for result in results], lengths)
    return [_transcript(tokenizer, *both) for both in zip(results, times, strict=True)]


def _aligned(
    model: WhisperModel, tokenizer: Tokenizer, encoded: Any, tokens: list[list[int]], lengths: list[int]
) -> list[tuple[Word, ...]]:
    """Words of each utterance of a batch: `encoded` is the encoder's output, `lengths` are feature frames of speech."""
    texts = [[token for token in own if token < tokenizer.eot] for own in tokens]
    if not any(texts):
        return [()] * len(texts)
    found = model.find_alignment(tokenizer, texts, encoded, lengths)
    for words in found:
        merge_punctuations(words, _BEFORE, _AFTER)
    return [
        _words((w["word"], w["start"], min(w["end"], length / _FRAMES)) for w in words)
        for words, length in zip(found, lengths, strict=True)
    ]


def _words(heard: Iterable[tuple[str, float, float]]) -> tuple[Word, ...]:
    """(text, start, end) as words; what has no text, for it was merged with its neighbour, is left out."""
    return tuple(
        Word(said, float(start), max(float(start), float(end))) for w, start, end in heard if (said := w.strip())
    )


def _suppressed(tokenizer: Tokenizer) -> dict[str, list[int]]:
    """Symbols and notes (♪, brackets) that are no speech, and the tokens that steer the model."""
    steering = (
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    )
    return {"suppress_tokens": sorted({*tokenizer.non_speech_tokens, *steering})}


def _features(model: WhisperModel, samples: Float32, window: int) -> Float32:
    """Log-mel features, float32 [n_mels, 100 · window]."""
    padded = np.zeros(window * RATE, dtype=np.float32)
    padded[: len(samples)] = samples[: len(padded)]
    features: Float32 = model.feature_extractor(padded, padding=0)[:, : window * _FRAMES]
    return features


def _transcript(tokenizer: Tokenizer, result: Any, words: tuple[Word, ...]) -> Transcript:
    """Scores as Whisper defines them: log-probability a token, the end of text counted; zlib's ratio of the text."""
    tokens = result.sequences_ids[0]
    text = tokenizer.decode(tokens).strip()
    summed = result.scores[0] * len(tokens)  # CTranslate2's score is the mean over the tokens
    return Transcript(text, summed / (len(tokens) + 1), _compression(text), float(result.no_speech_prob), words)


def _compression(text: str) -> float:
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def _long(model: WhisperModel, samples: Float32, language: Language, beam: int) -> Transcript:
    """Over 30 s: faster-whisper's own way through the audio, window by window; scores are means by duration."""
    segments, _ = model.transcribe(
        samples,
        language=language,
        beam_size=beam,
        temperature=0.0,
        condition_on_previous_text=False,
        vad_filter=False,
        word_timestamps=True,
    )
    found = list(segments)
    text = ("" if language == "zh" else " ").join(s.text.strip() for s in found)
    if not found:
        return Transcript("", 0.0, 0.0, 1.0)
    weights = [max(s.end - s.start, 1e-3) for s in found]
    return Transcript(
        text,
        float(np.average([s.avg_logprob for s in found], weights=weights)),
        _compression(text),
        float(np.average([s.no_speech_prob for s in found], weights=weights)),
        _words((w.word, w.start, w.end) for s in found for w in s.words or ()),
    )
