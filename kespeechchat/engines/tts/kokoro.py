"""Kokoro-82M (an ONNX file of int8 weights) on onnxruntime: English and Chinese speech at 24 kHz from a style vector.

The setting `arithmetic` says whether its convolutions and matrix products run in floating point (see `kokoro_float`).

The model takes one utterance at a time, and each on one thread: `speak` runs as many utterances side by side as it has
threads, on one session (not compared with several threads an utterance on an idle machine). Its output is a function
of text, style and speed alone: the same bits again for any thread count, batch and process (on one CPU type), so
`seed` is not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.config.engines import KokoroSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.models import identify, resolve
from kespeechchat.engines.tts import TTS, StockVoices, Utterance, cannot_be_told, off_speed
from kespeechchat.engines.tts.kokoro_phonemes import LIMIT, Phonemizer, pieces
from kespeechchat.engines.tts.kokoro_styles import STYLE_SIZE, style
from kespeechchat.records import Audio, Language, RowError

__all__ = ["Kokoro", "style", "trim"]

SAMPLE_RATE = 24_000
_FRAME = SAMPLE_RATE // 100  # 10 ms
_SILENT = 0.01  # of the loudest frame's RMS
_KEEP = (0.05, 0.12)  # seconds of silence left before and after the speech


class Kokoro(TTS, StockVoices):
    """A `TTS` whose speaker space is Kokoro's style space (see `kokoro_styles`)."""

    deterministic = True
    seeded = KokoroSettings.seeded
    sample_rate = SAMPLE_RATE
    embedding_size = STYLE_SIZE
    languages: tuple[Language, ...] = ("zh", "en")

    def __init__(self, settings: KokoroSettings) -> None:
        self._settings = settings
        self._session = _session(resolve(settings.model), settings.arithmetic)
        self._phonemizer = Phonemizer()
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="kokoro")

    def identity(self) -> dict[str, str]:
        """The model, its arithmetic, and the versions of the libraries that make phonemes, convert and run it."""
        from importlib.metadata import version

        libraries: tuple[str, ...] = ("onnxruntime", "kokoro-onnx", "espeakng-loader", "misaki", "jieba", "pypinyin")
        if self._settings.arithmetic == "float32":
            libraries += ("onnx",)
        model = {"model": identify(self._settings.model), "arithmetic": self._settings.arithmetic}
        return model | {name: version(name) for name in libraries}

    def style(self, mix: Mapping[str, float]) -> Float32:
        """Float32 [256]: the embedding of a convex mix of stock voices (see `kokoro_styles.style`)."""
        return style(mix)

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | RowError]:
        """24 kHz speech, trimmed. A text without phonemes, a style that is not finite or a speed out of 0.5–2 is a
        RowError; a style of another size (voices made for another engine) or another language an EngineError."""
        prepared = [self._prepare(u) for u in utterances]  # here: espeak-ng takes one caller at a time
        return list(self._pool.map(self._utter, prepared))

    def _prepare(self, utterance: Utterance) -> tuple[list[list[int]], Float32, float] | RowError:
        if utterance.language not in self.languages:
            raise EngineError(f"Kokoro speaks {', '.join(self.languages)}, not {utterance.language!r}")
        if why := cannot_be_told(utterance, self._settings):
            raise EngineError(f"Kokoro {why}")
        embedding = np.asarray(utterance.embedding, dtype=np.float32)
        if embedding.shape != (STYLE_SIZE,):
            raise EngineError(
                f"voice embedding of shape {embedding.shape}: Kokoro needs ({STYLE_SIZE},); were these voices made "
                "for another TTS? Build the voice library with the profile's own `embedder`"
            )
        if not np.isfinite(embedding).all():
            return RowError("voice embedding holds NaN or infinity")
        if off := off_speed(utterance, self._settings.speeds):
            return off
        phonemes = self._phonemizer.phonemes(utterance.text, utterance.language)
        if not phonemes:
            return RowError(f"nothing to speak in {utterance.text[:40]!r}: no phonemes")
        tokens = [self._phonemizer.ids(piece) for piece in pieces(phonemes, LIMIT)]
        return tokens, embedding[None], utterance.speed

    def _utter(self, prepared: tuple[list[list[int]], Float32, float] | RowError) -> Audio | RowError:
        if isinstance(prepared, RowError):
            return prepared
        tokens, embedding, speed = prepared
        parts = [self._run(ids, embedding, speed) for ids in tokens]
        samples = np.concatenate(parts)
        if not np.isfinite(samples).all():
            return RowError("the model gave NaN or infinite samples; the voice embedding may lie outside style space")
        if not samples.size or not np.any(samples):
            return RowError("the model gave silence; the voice embedding may lie outside style space")
        return Audio(np.clip(samples, -1.0, 1.0), SAMPLE_RATE)

    def _run(self, ids: list[int], embedding: Float32, speed: float) -> Float32:
        feed = {
            "tokens": np.array([[0, *ids, 0]], dtype=np.int64),
            "style": embedding,
            "speed": np.array([speed], dtype=np.float32),
        }
        return trim(np.asarray(self._session.run(None, feed)[0], dtype=np.float32).ravel())


def trim(samples: Float32) -> Float32:
    """`samples` float32 [T] at 24 kHz with at most 0.05 s of silence before and 0.12 s after the speech."""
    usable = len(samples) // _FRAME * _FRAME
    if not usable:
        return samples
    rms = np.sqrt(np.mean(samples[:usable].reshape(-1, _FRAME) ** 2, axis=1))
    loud = np.flatnonzero(rms > _SILENT * rms.max())
    if not loud.size:
        return samples
    start = max(0, loud[0] * _FRAME - int(_KEEP[0] * SAMPLE_RATE))
    end = min(len(samples), (loud[-1] + 1) * _FRAME + int(_KEEP[1] * SAMPLE_RATE))
    return samples[start:end]


def _session(path: Path, arithmetic: str) -> Any:
    """The onnxruntime session of the model. Raises EngineError where there is none or it is another model."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if not path.is_file():
        raise EngineError(f"Kokoro's model {path} is not a file; name the .onnx file itself")
    model: str | bytes = str(path)
    if arithmetic == "float32":
        from kespeechchat.engines.tts.kokoro_float import FOLDED, opened_in_float

        model = opened_in_float(path)
        options.add_session_config_entry(*FOLDED)
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own kinds
        raise EngineError(f"Kokoro's model {path} cannot be loaded: {error}") from error
    names = {i.name for i in session.get_inputs()}
    if not {"tokens", "style", "speed"} <= names:
        raise EngineError(f"{path}: inputs {sorted(names)}; Kokoro needs tokens, style and speed")
    return session
