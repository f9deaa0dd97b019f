"""DNSMOS P.835 (signal, background, overall) and P.808 (overall) from the ONNX files that speechmos carries.

Sources: Reddy et al., arXiv 2110.01763 (P.835) and arXiv 2010.15258 (P.808).

The package's own API takes about two seconds a clip and never returns on empty audio, so this runs its files with
sessions of its own. What it must reproduce of it (Microsoft's DNS-Challenge, `dnsmos_local.py`): 16 kHz; a clip
under 9.01 s is doubled until it is longer; windows of 9.01 s, one a second; P.835's raw outputs go through fitted
polynomials; P.808 hears a mel spectrogram of its own; a clip's score is the mean over its windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import scipy.fft

from kespeechchat.config.engines import DNSMOSSettings
from kespeechchat.engines.arrays import Float32, Float64
from kespeechchat.engines.models import resolve
from kespeechchat.engines.mos import MOS
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import defect, resample

RATE = 16000  # Hz
WINDOW = int(9.01 * RATE)
HEADS = ("dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808")
_SHORTEST = 0.1  # s; under it a "clip" is one sound repeated ninety times

# Calibration of the raw P.835 outputs, highest power first; DNS-Challenge's fit for the non-personalized model.
_CALIBRATION = {
    "dnsmos_sig": np.poly1d([-0.08397278, 1.22083953, 0.0052439]),
    "dnsmos_bak": np.poly1d([-0.13166888, 1.60915514, -0.39604546]),
    "dnsmos_ovrl": np.poly1d([-0.06766283, 1.11546468, 0.04602535]),
}

_P808_CUT = 160  # samples P.808 leaves off a window's end
_FFT, _HOP, _MELS = 321, 160, 120
_TOP_DB = 80.0


class DNSMOS(MOS):
    """Scores utterances, `threads` of them side by side; same value alone or in any batch, since every window is its
    own run on one thread."""

    deterministic = True

    def __init__(self, settings: DNSMOSSettings) -> None:
        folder = resolve(settings.carried)
        self._most = settings.windows
        self._p835 = _session(folder / "sig_bak_ovr.onnx")
        self._p808 = _session(folder / "model_v8.onnx")
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="dnsmos")

    def identity(self) -> dict[str, str]:
        """The two ONNX files, and the versions of speechmos and onnxruntime."""
        return {
            "model": "speechmos:dnsmos_models/sig_bak_ovr.onnx+model_v8.onnx",
            "speechmos": version("speechmos"),
            "onnxruntime": version("onnxruntime"),
        }

    def score(self, audios: Sequence[Audio]) -> list[dict[str, float] | RowError]:
        """The four heads' scores (about 1 to 5) per utterance. An empty, broken or under 0.1 s one is a RowError."""
        return list(self._pool.map(self._score, audios))

    def _score(self, audio: Audio) -> dict[str, float] | RowError:
        if fault := defect(audio, _SHORTEST):
            return fault
        cuts = windows(np.clip(resample(audio, RATE).samples, -1.0, 1.0), self._most)
        scores = np.array([self._window(cut) for cut in cuts])  # [windows, 4]
        return {head: float(value) for head, value in zip(HEADS, scores.mean(axis=0), strict=True)}

    def _window(self, cut: Float32) -> list[float]:
        """Scores of one window, float32 [144160], in the order of HEADS."""
        raw = self._p835.run(None, {"input_1": cut[None]})[0][0]  # sig, bak, ovrl
        p808 = self._p808.run(None, {"input_1": melspec(cut[:-_P808_CUT])[None]})[0][0][0]
        return [*(_CALIBRATION[head](value) for head, value in zip(HEADS, raw, strict=False)), float(p808)]


def windows(samples: Float32, most: int | None = None) -> list[Float32]:
    """`samples` float32 [T] at 16 kHz, T > 0, doubled until 9.01 s are there, as windows of 9.01 s one second apart:
    all of them, or `most` of them spread from the first to the last (the first, where `most` is 1)."""
    while len(samples) < WINDOW:
        samples = np.append(samples, samples)
    # The reference floors the seconds before it takes the window off: 10.00 s make one window.
    count = int(len(samples) // RATE - 9.01) + 1
    starts = [i * RATE for i in range(count) if i * RATE + WINDOW <= len(samples)]
    if most is not None and most < len(starts):
        starts = [starts[round(i)] for i in np.linspace(0, len(starts) - 1, most)]
    return [samples[s : s + WINDOW].astype(np.float32) for s in starts]


def melspec(samples: Float32) -> Float32:
    """P.808's features: float32 [frames, 120] of `samples` [T] at 16 kHz; log mel power within 80 dB of its peak.

    Matches `librosa.feature.melspectrogram(n_fft=321, hop_length=160, n_mels=120)` with its defaults: centred frames
    padded with zeros, a periodic Hann window, Slaney's mel scale and norm.
    """
    padded = np.pad(samples, _FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP]
    power = np.abs(scipy.fft.rfft(frames * _hann(), axis=1)) ** 2  # [frames, 161]
    decibel = 10.0 * np.log10(np.maximum(power @ _mel_filters().T, 1e-10))
    decibel -= decibel.max()
    return np.asarray((np.maximum(decibel, -_TOP_DB) + 40.0) / 40.0, dtype=np.float32)


@lru_cache(maxsize=1)
def _hann() -> Float32:
    """Float32 [321], periodic."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)


def _mel_to_hz(mel: Float64) -> Float64:
    """Slaney's scale: linear to 1 kHz (15 mel), then 27 mel for each factor of 6.4."""
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * 6.4 ** ((mel - 15.0) / 27.0))


@lru_cache(maxsize=1)
def _mel_filters() -> Float32:
    """Triangles of equal area, float32 [120, 161], between 0 Hz and 8 kHz."""
    top = 15.0 + 27.0 * np.log(RATE / 2 / 1000.0) / np.log(6.4)
    corners = _mel_to_hz(np.linspace(0.0, top, _MELS + 2))
    bins = np.fft.rfftfreq(_FFT, 1.0 / RATE)
    rise = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    fall = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    area = 2.0 / (corners[2:] - corners[:-2])
    return np.asarray(np.maximum(0.0, np.minimum(rise, fall)) * area[:, None], dtype=np.float32)


def _session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
