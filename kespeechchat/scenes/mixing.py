"""Speech and noise at a known distance in level: the active frames of speech, the SNR over them, and what keeps the sum
within full scale.

The signal-to-noise ratio is that of the clean speech's mean power to the noise's, both over the samples in which the
clean speech is active (`silence.silences`: pauses from 0.1 s on do not count). Pauses would make speech seem softer
than it is.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kespeechchat.records import Audio
from kespeechchat.silence import silences

Float32 = npt.NDArray[np.float32]
Stretches = tuple[slice, ...]
FULL_SCALE = 32767 / 32768  # the highest sample of 16 bits


def float32(samples: npt.NDArray[np.int16]) -> Float32:
    """±1, of 16-bit samples."""
    return samples.astype(np.float32) * np.float32(1 / 32768)


def int16(samples: Float32) -> npt.NDArray[np.int16]:
    """16-bit samples of what is within full scale."""
    whole: npt.NDArray[np.int16] = np.rint(samples * np.float32(32768)).astype(np.int16)
    return whole


def active(speech: Float32, rate: int) -> Stretches:
    """The samples of clean `speech`, float32 [T], that are no pause, as slices in order; none where it has no sound."""
    silent = silences(Audio(speech, rate)).intervals
    edges = [0, *(round(edge * rate) for gap in silent for edge in gap), len(speech)]
    return tuple(slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a)


def power(samples: Float32, of: Stretches) -> float:
    """Mean square over the stretches; 0 where there are none."""
    total = sum(float(np.dot(samples[one], samples[one])) for one in of)
    count = sum(one.stop - one.start for one in of)
    return total / count if count else 0.0


def snr(speech: Float32, noise: Float32, of: Stretches) -> float:
    """dB of speech over noise in the stretches; inf where the noise is silent there. Raises ValueError where the speech
    is."""
    signal, other = power(speech, of), power(noise, of)
    if not signal > 0:
        raise ValueError("speech has no sound in its active frames, so it has no signal-to-noise ratio")
    return 10 * math.log10(signal / other) if other > 0 else math.inf


def noise_gain(speech: Float32, noise: Float32, of: Stretches, wanted: float) -> float:
    """The factor that brings `noise` to `wanted` dB under `speech`. Raises ValueError where either is silent."""
    found = snr(speech, noise, of)
    if math.isinf(found):
        raise ValueError("noise has no sound while the speech is active")
    return float(10 ** ((found - wanted) / 20))


def limited(samples: Float32) -> tuple[Float32, float]:
    """The samples within full scale, and the gain (dB, at most 0) of all of them that this took: no peak is clipped."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak <= FULL_SCALE:
        return samples, 0.0
    return samples * np.float32(FULL_SCALE / peak), 20 * math.log10(FULL_SCALE / peak)


def decibels(gain: float) -> np.float32:
    """The factor of a gain in dB."""
    return np.float32(10 ** (gain / 20))
