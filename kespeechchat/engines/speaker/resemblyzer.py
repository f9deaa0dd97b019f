"""Resemblyzer: a GE2E speaker encoder on CPU, 256-d unit vectors; its weights come with its package."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from kespeechchat.config.engines import ResemblyzerSettings
from kespeechchat.engines import EngineError
from kespeechchat.records import Audio, RowError

_RATE = 16_000  # Hz, what the encoder was trained on
_TARGET_DBFS = -30  # the encoder's own loudness normalization; quiet audio is raised, loud audio left
_MIN_VOICED = 0.5  # seconds of speech after the voice activity detector


class Resemblyzer:
    """A `SpeakerEncoder`. Each clip is embedded alone, so its vector does not depend on its batch."""

    deterministic = True
    size = 256

    def __init__(self, settings: ResemblyzerSettings) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # old import paths inside the package
                import torch
                from resemblyzer import VoiceEncoder
                from resemblyzer.audio import normalize_volume, trim_long_silences
        except ImportError as error:
            raise EngineError(
                f"Resemblyzer cannot be loaded ({error}); pip install resemblyzer 'setuptools<81'"
            ) from error
        torch.set_num_threads(settings.threads)
        self._normalize, self._trim = normalize_volume, trim_long_silences
        self._encoder = VoiceEncoder("cpu", verbose=False)

    def identity(self) -> dict[str, str]:
        from importlib.metadata import version

        names = ("resemblyzer", "torch", "librosa", "soxr")
        return {"model": f"package:resemblyzer=={version('resemblyzer')}", **{n: version(n) for n in names}}

    def xvectors(self, audios: Sequence[Audio]) -> list[np.ndarray | RowError]:
        """Unit-length float32 [256]; a RowError where fewer than 0.5 s of speech are left after voice detection."""
        return [self._xvector(audio) for audio in audios]

    def _xvector(self, audio: Audio) -> np.ndarray | RowError:
        samples = _mono_16k(audio)
        if isinstance(samples, RowError):
            return samples
        voiced = self._trim(np.clip(self._normalize(samples, _TARGET_DBFS, increase_only=True), -1, 1))
        if len(voiced) < _MIN_VOICED * _RATE:
            return RowError(f"{len(voiced) / _RATE:.2f} s of speech in {audio.seconds:.2f} s; needs {_MIN_VOICED} s")
        vector = np.asarray(self._encoder.embed_utterance(voiced.astype(np.float32)), dtype=np.float32)
        norm = float(np.linalg.norm(vector))
        if not np.isfinite(norm) or norm == 0:
            return RowError("the encoder gave no direction (zero or not finite)")
        return vector / norm


def _mono_16k(audio: Audio) -> np.ndarray | RowError:
    import soxr

    samples = np.asarray(audio.samples, dtype=np.float32)
    if samples.ndim != 1:
        return RowError(f"audio of shape {samples.shape}; needs mono [T]")
    if samples.size == 0 or not np.any(samples):
        return RowError("empty or silent audio")
    if not np.isfinite(samples).all():
        return RowError("audio holds NaN or infinity")
    return soxr.resample(samples, audio.sample_rate, _RATE) if audio.sample_rate != _RATE else samples
