"""From a spectrogram to samples: the library's vocoder, one row at a time, with random numbers of the row's own.

It is not batched. Its convolutions hear the padding of a shorter row, and it draws the phase of its harmonics and its
source noise from torch's global generator, which is seeded for the row here and put back afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from kespeechchat.engines.arrays import Float32


def samples(vocoder: Any, mel: torch.Tensor, speed: float, seed: int) -> Float32:
    """Float32 [T] of `mel` [1, 80, frames], stretched to `speed` as the library stretches it."""
    import torch
    from torch.nn import functional

    if speed != 1.0:
        mel = functional.interpolate(mel, size=int(mel.shape[2] / speed), mode="linear")
    with torch.random.fork_rng(devices=[mel.device] if mel.device.type == "cuda" else []):
        torch.manual_seed(seed)
        speech, _ = vocoder.inference(speech_feat=mel)
    return np.asarray(speech.float().cpu().numpy().reshape(-1), dtype=np.float32)
