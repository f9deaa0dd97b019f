"""What every engine does with an utterance before it listens: check it, and resample it to the model's own rate.

It is in the bottom layer, with `records`, because both the engines and the store need it and neither may import the
other.
"""

from __future__ import annotations

import numpy as np
import soxr

from kespeechchat.records import Audio, RowError


def resample(audio: Audio, rate: int) -> Audio:
    """`audio` at `rate` Hz: float32, ⌈T · rate / sample_rate⌉ samples give or take one (soxr, high quality).

    Returns the same object where the rate is right already.
    """
    if audio.sample_rate == rate:
        return audio
    samples = np.asarray(audio.samples, dtype=np.float32)
    return Audio(
        np.asarray(soxr.resample(samples, audio.sample_rate, rate), dtype=np.float32),
        rate,
    )


def defect(audio: Audio, at_least: float = 0.0) -> RowError | None:
    """Why `audio` cannot be listened to, or None: not one channel, empty, not finite, or under `at_least` seconds."""
    samples = audio.samples
    if samples.ndim != 1:
        return RowError(f"audio has shape {samples.shape}, wanted one channel [T]; mix it down first")
    if audio.sample_rate <= 0:
        return RowError(f"sample rate is {audio.sample_rate} Hz")
    if len(samples) == 0:
        return RowError("audio is empty")
    if audio.seconds < at_least:
        return RowError(f"audio of {audio.seconds:.3f} s is under {at_least} s, too short to measure")
    if not np.isfinite(samples).all():
        return RowError("audio holds NaN or infinite samples")
    return None
