"""CAM++ (`campplus.onnx`), the speaker encoder beside every CosyVoice model: the embedding that CosyVoice speaks with.

Source of the network: Wang et al., arXiv 2303.00332.

The features are those of CosyVoice's `tools/extract_embedding.py`: 16 kHz, Kaldi filter banks (80 bins, no dither), the
mean over time taken off. The vectors stay as the model gives them: CosyVoice's own speakers are the plain mean of raw
utterance vectors, and its LLM and flow normalize inside. Unlike that tool, resampling is soxr's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.config.engines import CAMPlusSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.models import identify, resolve
from kespeechchat.engines.speaker import TTSEmbedder
from kespeechchat.records import Audio, Gender, Language, RowError
from kespeechchat.waveform import defect, resample

__all__ = ["CAMPlus", "features"]

RATE = 16_000  # Hz
BINS = 80
FILE = "campplus.onnx"
_SHORTEST = 0.5  # seconds; the model pools over time, and less says little of a voice


class CAMPlus(TTSEmbedder):
    """An embedder that works from audio alone. Each clip is embedded by itself, as padding would change it."""

    deterministic = True

    def __init__(self, settings: CAMPlusSettings) -> None:
        self._settings = settings
        path = resolve(settings.model)
        path = path / FILE if path.is_dir() else path
        self._session = _session(path, settings.threads)
        self._input = self._session.get_inputs()[0].name
        self.size = _size(self._session, path)

    def identity(self) -> dict[str, str]:
        """The model, and the versions of the libraries that compute its features and run it."""
        from importlib.metadata import version

        return {
            "model": identify(self._settings.model),
            **{n: version(n) for n in ("onnxruntime", "torchaudio", "soxr")},
        }

    def embed(
        self,
        audios: Sequence[Audio],
        xvectors: Sequence[Float32],
        language: Language | None = None,
        genders: Sequence[Gender] | None = None,
    ) -> list[Float32 | RowError]:
        """Float32 [192], not normalized. Broken, silent or short (under 0.5 s) audio is a RowError; the other
        arguments are not used."""
        return [self._embed(audio) for audio in audios]

    def _embed(self, audio: Audio) -> Float32 | RowError:
        if fault := defect(audio, at_least=_SHORTEST):
            return fault
        if not np.any(audio.samples):
            return RowError("audio is silent: it has no speaker")
        feed = {self._input: features(resample(audio, RATE).samples)[None]}
        vector = np.asarray(self._session.run(None, feed)[0], dtype=np.float32).reshape(-1)
        if not np.isfinite(vector).all() or not vector.any():
            return RowError("CAM++ gave a zero or non-finite embedding")
        return vector


def features(samples: Float32) -> Float32:
    """Float32 [frames, 80] of mono 16 kHz `samples` [T]: log Mel filter banks (25 ms windows, 10 ms steps), each bin's
    mean over time taken off. T must be at least 400."""
    import torch
    import torchaudio.compliance.kaldi as kaldi

    wave = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))[None]
    bank = kaldi.fbank(wave, num_mel_bins=BINS, dither=0.0, sample_frequency=RATE)
    centred: Float32 = (bank - bank.mean(dim=0, keepdim=True)).numpy()
    return centred


def _session(path: Path, threads: int) -> Any:
    import onnxruntime as ort

    if not path.is_file():
        raise EngineError(f"{path} is missing: `model` must name {FILE} or a CosyVoice model folder that holds it")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own kinds
        raise EngineError(f"{path} cannot be loaded as an ONNX model: {error}") from error


def _size(session: Any, path: Path) -> int:
    """The embedding's size, from one run over a second of noise: the graph's own shapes may be symbolic."""
    inputs = session.get_inputs()
    shapes = [list(i.shape) for i in inputs]
    if len(shapes) != 1 or len(shapes[0]) != 3 or (shapes[0][2] != BINS and isinstance(shapes[0][2], int)):
        raise EngineError(f"{path}: inputs of shape {shapes}; CAM++ takes one input of [1, frames, {BINS}]")
    noise = np.random.default_rng(0).standard_normal((1, 100, BINS)).astype(np.float32)
    out = session.run(None, {inputs[0].name: noise})[0]
    if out.ndim != 2 or out.shape[0] != 1:
        raise EngineError(f"{path}: output of shape {out.shape}; CAM++ gives [1, size]")
    return int(out.shape[1])
