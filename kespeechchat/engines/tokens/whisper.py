"""Vectors of Whisper's encoder (CTranslate2), averaged to a lower rate and quantized by k-means.

Whisper's encoder gives 50 vectors a second, of its last layer. Each `50 / rate` of them are averaged; a token is the
nearest of K centroids. The tokenizer of arXiv 2411.17607 is a Whisper encoder too, with the pooling and a vector-
quantized codebook inside, trained further as a recognizer. Nothing is trained here but the centroids: the vectors hold
who speaks as well as what is said, and the codebook keeps of both what varies most.

Speech is heard in pieces of at most 24 s, each followed by silence up to a whole number of seconds, so that a vector
depends on its own utterance alone and not on the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from kespeechchat.config.engines import WhisperTokensSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32, Int32
from kespeechchat.engines.batches import heard
from kespeechchat.engines.models import identify, resolve
from kespeechchat.engines.tokens import Tokens
from kespeechchat.engines.tokens.kmeans import nearest, read_centroids
from kespeechchat.records import Audio, RowError

_SETTING = "engines.tokens, use: whisper"
SAMPLE_RATE = 16_000  # Hz
FRAMES = 50  # vectors a second
_MEL = 100  # mel frames a second
_HOP = SAMPLE_RATE // FRAMES  # samples from vector to vector
_PIECE = 24  # s
_WINDOW = 30  # s, Whisper's own


class WhisperVectors:
    """The encoder's vectors at `settings.rate`. `settings` without centroids is enough: they are made of these."""

    def __init__(self, settings: WhisperTokensSettings) -> None:
        """Raises EngineError where the model is missing or no Whisper model of CTranslate2."""
        from faster_whisper import WhisperModel

        folder = resolve(settings.model)
        device, kind, threads = settings.device, settings.compute_type, settings.threads
        try:
            self._model = WhisperModel(
                str(folder), device=device, compute_type=kind, cpu_threads=threads, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise EngineError(
                f"{_SETTING}: model {settings.model!r} at {folder} does not load as a CTranslate2 Whisper model on "
                f"{device} with compute_type {kind!r}: {error}"
            ) from error
        self._settings, self._pool = settings, round(FRAMES / settings.rate)
        self.width = self._frames(np.zeros(SAMPLE_RATE, np.float32)).shape[1]

    def of(self, audio: Audio) -> Float32 | RowError:
        """Float32 [n, width], n = ⌊frames / pool⌋ and one more for what is left over; a RowError for audio that is
        broken, silent or shorter than a frame."""
        samples = heard(audio, SAMPLE_RATE, _HOP / SAMPLE_RATE)
        if isinstance(samples, RowError):
            return samples
        frames = np.concatenate([self._frames(piece) for piece in _pieces(samples, self._pool)])
        return np.stack([frames[at : at + self._pool].mean(axis=0) for at in range(0, len(frames), self._pool)])

    def _frames(self, samples: Float32) -> Float32:
        """Float32 [⌈samples / 320⌉, width] of at most 24 s."""
        ctranslate2: Any = import_module("ctranslate2")  # it has no types
        seconds = len(samples) / SAMPLE_RATE
        window = min(_WINDOW, math.ceil(seconds + self._settings.padding))
        padded = np.zeros(window * SAMPLE_RATE, np.float32)
        padded[: len(samples)] = samples
        features = self._model.feature_extractor(padded, padding=0)[:, : window * _MEL]
        encoded: Any = self._model.encode(np.ascontiguousarray(features[None]))
        vectors = np.asarray(encoded.to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32))[0]
        return np.asarray(vectors[: math.ceil(len(samples) / _HOP)], dtype=np.float32)


class WhisperTokens(Tokens):
    """Nearest centroids of `WhisperVectors`."""

    codebooks = 1

    def __init__(self, settings: WhisperTokensSettings) -> None:
        """Raises EngineError where model or centroids are missing or do not fit each other."""
        if settings.centroids is None:
            raise EngineError(
                f"{_SETTING}: centroids is null and none is fitted yet: `kesc interleave` fits a codebook on ROOT's "
                "speech; or name a .npy file"
            )
        self._settings, self._vectors = settings, WhisperVectors(settings)
        self._centroids = read_centroids(_SETTING, settings.centroids, self._vectors.width)
        self.rate, self.size = float(settings.rate), len(self._centroids)
        self.deterministic = settings.device == "cpu"

    def identity(self) -> dict[str, str]:
        settings = self._settings
        named = {"model": identify(settings.model), "centroids": identify(str(settings.centroids))}
        libraries = ("faster-whisper", "ctranslate2", "soxr")
        return {**named, "rate": f"{settings.rate:g}", **{name: version(name) for name in libraries}}

    def tokens(self, audios: Sequence[Audio]) -> list[Int32 | RowError]:
        """Int32 [1, ⌈⌈samples / 320⌉ · rate / 50⌉] of each, at 16 kHz."""
        found = (self._vectors.of(audio) for audio in audios)
        return [own if isinstance(own, RowError) else nearest(own, self._centroids)[None] for own in found]


def _pieces(samples: Float32, pool: int) -> Iterator[Float32]:
    """Pieces of at most 24 s, each but the last a whole number of pooled frames."""
    step = _PIECE * FRAMES // pool * pool * _HOP
    for at in range(0, len(samples), step):
        yield samples[at : at + step]
