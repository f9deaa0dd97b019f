"""CosyVoice's speech tokenizer: an ONNX file of its model folders, 50 (version 1) or 25 tokens a second (2 and 3).

It is trained as a recognizer with a codebook inside (arXiv 2407.05407, 2412.10117), and so keeps what is said rather
than who says it. Its input is Whisper's log-mel spectrum of 128 bands at 16 kHz and its length in frames, as
CosyVoice's own frontend gives them; an utterance of over 30 s is refused there and is cut here, at 30 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from kespeechchat.config.engines import S3TokensSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32, Int32
from kespeechchat.engines.batches import heard
from kespeechchat.engines.models import content, identify, resolve
from kespeechchat.engines.tokens import Tokens
from kespeechchat.records import Audio, RowError
from kespeechchat.speech_tokens import Codebook

_SETTING = "engines.tokens, use: s3"
SAMPLE_RATE = 16_000  # Hz
_BANDS = 128
_HOP = 160  # samples of a mel frame
_LONGEST = 30  # s
_SHORTEST = 0.1  # s


class S3Tokens(Tokens):
    """One codebook of `settings.size`, `settings.rate` tokens a second."""

    codebooks = 1
    deterministic = True

    def __init__(self, settings: S3TokensSettings) -> None:
        """Raises EngineError where the file is missing or is no such tokenizer."""
        import onnxruntime
        from faster_whisper.feature_extractor import FeatureExtractor

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        path = resolve(settings.model)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            raise EngineError(f"{_SETTING}: model {settings.model!r} is no ONNX model: {error}") from error
        shapes = [list(given.shape) for given in self._session.get_inputs()]
        if len(shapes) != 2 or len(shapes[0]) != 3 or shapes[0][1] != _BANDS:
            raise EngineError(
                f"{_SETTING}: model {settings.model!r} has inputs of shape {shapes}; a speech tokenizer of CosyVoice "
                f"takes [1, {_BANDS}, frames] and [1]"
            )
        self._names = [given.name for given in self._session.get_inputs()]
        self._features = FeatureExtractor(feature_size=_BANDS, sampling_rate=SAMPLE_RATE, hop_length=_HOP)
        self._settings, self.rate, self.size = settings, float(settings.rate), settings.size
        self.codebook = Codebook(self.rate, self.size, content(settings.model))

    def identity(self) -> dict[str, str]:
        libraries = ("onnxruntime", "faster-whisper", "soxr")
        return {"model": identify(self._settings.model), **{name: version(name) for name in libraries}}

    def tokens(self, audios: Sequence[Audio]) -> list[Int32 | RowError]:
        """Int32 [1, about rate · seconds] of each; a RowError for one that is broken, silent or under 0.1 s. Raises
        EngineError where the file gives a token that `size` does not have."""
        clips = [heard(audio, SAMPLE_RATE, _SHORTEST) for audio in audios]
        return [clip if isinstance(clip, RowError) else self._of(clip)[None] for clip in clips]

    def _of(self, samples: Float32) -> Int32:
        step = _LONGEST * SAMPLE_RATE
        pieces = [samples[at : at + step] for at in range(0, len(samples), step)]
        return np.concatenate([self._piece(piece) for piece in pieces if len(piece) >= _HOP])

    def _piece(self, samples: Float32) -> Int32:
        mel = np.asarray(self._features(samples, padding=0), dtype=np.float32)[None]
        given: dict[str, Any] = dict(zip(self._names, (mel, np.array([mel.shape[2]], np.int32)), strict=True))
        found = np.asarray(self._session.run(None, given)[0], dtype=np.int32).ravel()
        if len(found) and not 0 <= found.min() <= found.max() < self.size:
            raise EngineError(
                f"{_SETTING}: model {self._settings.model!r} gave token {int(found.max())}, but size is {self.size}: "
                "4096 of version 1, 6561 of versions 2 and 3"
            )
        return found
