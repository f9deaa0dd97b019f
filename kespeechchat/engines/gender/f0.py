"""Gender from pitch: the median fundamental frequency of a clip's voiced frames, with an honest unknown between.

F0 is the autocorrelation peak of 40 ms frames (normalized per lag for the shrinking overlap), the shortest lag among
those nearly as high as the highest, which avoids the octave below. A few milliseconds a clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kespeechchat.config.engines import F0GenderSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32, Float64, Int64
from kespeechchat.engines.gender import GenderClassifier, GenderScore
from kespeechchat.records import Audio, RowError

_RATE = 8_000  # Hz; F0 and its first harmonics lie far below 4 kHz
_WINDOW, _HOP = 320, 160  # 40 ms, 20 ms
_F0 = (65.0, 400.0)  # Hz, searched
_PERIODIC = 0.6  # normalized autocorrelation of a voiced frame
_NEARLY = 0.92  # of the highest peak: a shorter lag this high is the true period
_LOUD = 0.1  # of the clip's 95th percentile frame RMS
_MIN_VOICED = 10  # frames: 0.2 s


class F0Gender(GenderClassifier):
    """Below `male_below` Hz male, above `female_above` Hz female, else unknown."""

    deterministic = True

    def __init__(self, settings: F0GenderSettings) -> None:
        if not settings.male_below <= settings.female_above:
            raise EngineError(
                f"gender: male_below {settings.male_below} Hz is above female_above {settings.female_above} Hz; "
                "the unknown range lies between them"
            )
        self._male_below, self._female_above = settings.male_below, settings.female_above

    def identity(self) -> dict[str, str]:
        from importlib.metadata import version

        return {"model": "f0 autocorrelation 1", "numpy": version("numpy"), "soxr": version("soxr")}

    def classify(self, audios: Sequence[Audio]) -> list[GenderScore | RowError]:
        """The score is the share of voiced frames on the gender's side of the middle; a RowError for empty audio."""
        return [self._classify(audio) for audio in audios]

    def _classify(self, audio: Audio) -> GenderScore | RowError:
        samples = np.asarray(audio.samples, dtype=np.float32)
        if samples.ndim != 1 or not samples.size:
            return RowError(f"audio of shape {samples.shape}; needs mono [T], T > 0")
        if not np.isfinite(samples).all():
            return RowError("audio holds NaN or infinity")
        pitches = f0(samples, audio.sample_rate)
        if len(pitches) < _MIN_VOICED:
            return GenderScore("unknown", 0.0)
        median = float(np.median(pitches))
        middle = (self._male_below + self._female_above) / 2
        if median < self._male_below:
            return GenderScore("male", float(np.mean(pitches < middle)))
        if median > self._female_above:
            return GenderScore("female", float(np.mean(pitches > middle)))
        return GenderScore("unknown", 0.0)


def f0(samples: Float32, sample_rate: int) -> Float64:
    """F0 in Hz of each voiced 20 ms frame of `samples` float32 [T]: float64 [V], V = 0 for silence or noise."""
    import soxr

    if sample_rate != _RATE:
        samples = soxr.resample(samples, sample_rate, _RATE)
    if len(samples) < _WINDOW:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP].astype(np.float64)
    frames = frames - frames.mean(axis=1, keepdims=True)
    rms = np.sqrt(np.mean(frames**2, axis=1))
    frames = frames[rms > max(_LOUD * np.percentile(rms, 95), 1e-5)]
    return _periods(frames) if len(frames) else np.zeros(0)


def _periods(frames: Float64) -> Float64:
    """F0 in Hz, float64 [V], of those `frames` [N, 320] that are periodic."""
    size = 2 * _WINDOW
    spectrum = np.fft.rfft(frames, n=size, axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, n=size, axis=1)[:, :_WINDOW]
    power = np.cumsum(frames**2, axis=1)
    lags = np.arange(int(_RATE / _F0[1]), int(_RATE / _F0[0]) + 2)
    head = power[:, _WINDOW - 1 - lags]  # energy of the part that stays in place
    tail = power[:, -1:] - power[:, lags - 1]  # energy of the part that is shifted
    normal = correlation[:, lags] / np.sqrt(np.maximum(head * tail, 1e-12))
    inner = normal[:, 1:-1]
    peaks = np.where((inner >= normal[:, :-2]) & (inner > normal[:, 2:]), inner, 0.0)
    best = peaks.max(axis=1)
    first = np.argmax(peaks >= _NEARLY * best[:, None], axis=1)
    voiced = best > _PERIODIC
    return _refined(normal[voiced], first[voiced] + 1, lags[0])


def _refined(normal: Float64, peak: Int64, lag: int) -> Float64:
    """The peak's place between lags, by a parabola through it and its neighbours."""
    rows = np.arange(len(peak))
    left, middle, right = (normal[rows, peak + d] for d in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (left - right) / np.where(bend == 0, 1, bend), 0.0)
    hertz: Float64 = _RATE / (lag + peak + np.clip(shift, -0.5, 0.5))
    return hertz
