"""Resemblyzer: a GE2E speaker encoder (Wan et al., arXiv 1710.10467) on CPU, 256-d unit vectors; its weights come with
its package."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from kespeechchat.config.engines import ResemblyzerSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.speaker import SpeakerEncoder
from kespeechchat.records import Audio, RowError

_RATE = 16_000  # Hz, what the encoder was trained on
_TARGET_DBFS = -30  # the encoder's own loudness normalization; quiet audio is raised, loud audio left
_FRAMES = 160  # of 10 ms: 1.6 s, the length of the speech that the encoder was trained on
_MIN_VOICED = 0.5  # seconds of speech after the voice activity detector


class Resemblyzer(SpeakerEncoder):
    """Each clip is embedded alone, so its vector does not depend on its batch."""

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
        """The package that carries the weights, and the versions of the libraries under it."""
        from importlib.metadata import version

        names = ("resemblyzer", "torch", "librosa", "soxr")
        return {"model": f"package:resemblyzer=={version('resemblyzer')}", **{n: version(n) for n in names}}

    def xvectors(self, audios: Sequence[Audio]) -> list[Float32 | RowError]:
        """Unit-length float32 [256]; a RowError where fewer than 0.5 s of speech are left after voice detection."""
        return [self._xvector(audio) for audio in audios]

    def layers(self, audios: Sequence[Audio]) -> list[Float32 | RowError]:
        """Float32 [768]: the mean over time of what each of the encoder's three LSTM layers gives, in windows of 1.6 s
        every 0.8 s. The layers know more of a voice than who it is; a RowError as in `xvectors`."""
        return [self._layers(audio) for audio in audios]

    def _layers(self, audio: Audio) -> Float32 | RowError:
        import torch
        from resemblyzer.audio import wav_to_mel_spectrogram

        voiced = self._voiced(audio)
        if isinstance(voiced, RowError):
            return voiced
        mel = wav_to_mel_spectrogram(voiced)
        mel = np.pad(mel, ((0, max(0, _FRAMES - len(mel))), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(mel, _FRAMES, axis=0)[:: _FRAMES // 2].transpose(0, 2, 1)
        outputs, means = torch.from_numpy(np.ascontiguousarray(windows)), []
        with torch.no_grad():
            for layer in self._each_layer:
                outputs, _ = layer(outputs)
                means.append(outputs.mean(dim=(0, 1)).numpy())
        return np.concatenate(means)

    @cached_property
    def _each_layer(self) -> list[Any]:
        """The encoder's LSTM as one module a layer: torch gives the last layer's outputs alone."""
        import torch

        whole, layers = self._encoder.lstm, []
        for number in range(whole.num_layers):
            inputs = whole.input_size if number == 0 else whole.hidden_size
            layer = torch.nn.LSTM(inputs, whole.hidden_size, batch_first=True)
            own = {k: v for k, v in whole.state_dict().items() if k.endswith(f"_l{number}")}
            layer.load_state_dict({k.replace(f"_l{number}", "_l0"): v for k, v in own.items()})
            layers.append(layer.eval())
        return layers

    def _voiced(self, audio: Audio) -> Float32 | RowError:
        """Float32 [T] at 16 kHz: raised to the encoder's loudness, long silences cut."""
        samples = _mono_16k(audio)
        if isinstance(samples, RowError):
            return samples
        voiced = self._trim(np.clip(self._normalize(samples, _TARGET_DBFS, increase_only=True), -1, 1))
        if len(voiced) < _MIN_VOICED * _RATE:
            return RowError(f"{len(voiced) / _RATE:.2f} s of speech in {audio.seconds:.2f} s; needs {_MIN_VOICED} s")
        return np.asarray(voiced, dtype=np.float32)

    def _xvector(self, audio: Audio) -> Float32 | RowError:
        voiced = self._voiced(audio)
        if isinstance(voiced, RowError):
            return voiced
        vector = np.asarray(self._encoder.embed_utterance(voiced), dtype=np.float32)
        norm = float(np.linalg.norm(vector))
        if not np.isfinite(norm) or norm == 0:
            return RowError("the encoder gave no direction (zero or not finite)")
        return vector / norm


def _mono_16k(audio: Audio) -> Float32 | RowError:
    import soxr

    samples = np.asarray(audio.samples, dtype=np.float32)
    if samples.ndim != 1:
        return RowError(f"audio of shape {samples.shape}; needs mono [T]")
    if samples.size == 0 or not np.any(samples):
        return RowError("empty or silent audio")
    if not np.isfinite(samples).all():
        return RowError("audio holds NaN or infinity")
    return soxr.resample(samples, audio.sample_rate, _RATE) if audio.sample_rate != _RATE else samples
