"""HuBERT k-means units: hidden states of one layer (transformers' HubertModel), each frame's nearest centroid.

Hsu et al. (HuBERT, arXiv 2106.07447) cluster such states; KE-Omni (arXiv 2412.01078) takes 4,000 clusters. The
centroids are the trainer's: a .npy file, from elsewhere or made by `examples/fit_units.py`. Frames come every 320
samples at 16 kHz, 50 a second.

Long audio is heard in chunks, each with context on both sides whose frames are thrown away. All chunks but the last
begin and end on frame borders, so frames are neither lost nor doubled: n samples give floor((n - 400) / 320) + 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.config.token_engines import HubertSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32, Int32
from kespeechchat.engines.batches import heard
from kespeechchat.engines.checkpoints import from_pretrained, model_folder, pick_device, read_part, working
from kespeechchat.engines.models import identify, resolve
from kespeechchat.engines.units import RATE, Units
from kespeechchat.records import Audio, RowError

_SETTING = "units.use: hubert"
SAMPLE_RATE = 16_000  # Hz
HOP = SAMPLE_RATE // RATE  # samples from frame to frame
FIELD = 400  # samples that one frame hears
SHORTEST = FIELD / SAMPLE_RATE  # s


class HubertStates:
    """Hidden states of one layer. Chunked audio differs from whole audio by what the context leaves out, nothing else.

    `settings` without its centroids is enough: they are made from these states.
    """

    def __init__(self, settings: HubertSettings) -> None:
        """Raises EngineError where the model is missing, is no HuBERT or has not that layer."""
        try:
            from transformers import AutoConfig, HubertModel
        except ImportError as error:
            raise EngineError(f"{_SETTING} needs transformers ({error}): pip install 'kespeechchat[paper]'") from error
        folder = model_folder(_SETTING, settings.model, ["config.json"], "facebook/hubert-large-ll60k")
        config = read_part(_SETTING, AutoConfig, folder)
        if config.model_type != "hubert":
            raise EngineError(f"{_SETTING}: model {settings.model!r} is of type {config.model_type!r}, wanted 'hubert'")
        if settings.layer > config.num_hidden_layers:
            raise EngineError(f"{_SETTING}: layer: {settings.layer}, but the model has {config.num_hidden_layers}")
        if int(np.prod(config.conv_stride)) != HOP:
            raise EngineError(
                f"{_SETTING}: the model makes a frame every {np.prod(config.conv_stride)} samples, not 320"
            )
        self._settings = settings
        self.device, self.width = pick_device(settings.device, _SETTING), config.hidden_size
        self._model = from_pretrained(_SETTING, HubertModel, folder).to(self.device)
        self._normalize = _normalizes(folder)

    def of(self, samples: Float32) -> Iterator[Any]:
        """Torch float32 [frames, width] of each chunk of float32 [n] at 16 kHz, 50 frames a second in all."""
        if self._normalize:
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        frames = (len(samples) - FIELD) // HOP + 1
        chunk, context = (round(seconds * RATE) for seconds in (self._settings.chunk, self._settings.context))
        for a, b, skip, n in pieces(frames, chunk or frames, context):
            yield self._states(samples[a:b])[skip : skip + n]

    def _states(self, samples: Float32) -> Any:
        import torch

        values = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))[None].to(self.device)
        with torch.inference_mode():
            return self._model(values, output_hidden_states=True).hidden_states[self._settings.layer][0].float()


class HubertUnits(Units):
    """Nearest centroids of the hidden states."""

    def __init__(self, settings: HubertSettings) -> None:
        """Raises EngineError where model or centroids are missing or do not fit each other."""
        self._settings = settings
        self._hubert = HubertStates(settings)
        device = self._hubert.device
        self._centroids, self._halves = _centroids(settings.centroids, self._hubert.width, device)
        self.size = len(self._centroids)
        self.deterministic = device == "cpu"

    def identity(self) -> dict[str, str]:
        settings = self._settings
        named = {"model": identify(settings.model), "centroids": identify(settings.centroids)}
        return {**named, "layer": str(settings.layer), **{n: version(n) for n in ("transformers", "torch", "soxr")}}

    def units(self, audios: Sequence[Audio]) -> list[Int32 | RowError]:
        """Int32 [floor((n - 400) / 320) + 1] for n samples at 16 kHz, per utterance of any rate, in order; a RowError
        for one that is broken, silent or under 25 ms."""
        clips = [heard(audio, SAMPLE_RATE, SHORTEST) for audio in audios]
        with working(self._settings.threads):
            return [clip if isinstance(clip, RowError) else self._of(clip) for clip in clips]

    def _of(self, samples: Float32) -> Int32:
        """Int32 [frames] of float32 [n]."""
        return np.concatenate([self._nearest(states) for states in self._hubert.of(samples)])

    def _nearest(self, states: Any) -> Int32:
        """Nearest centroids, int32 [frames], of torch float32 [frames, width]."""
        import torch

        # |s - c|² = |s|² - 2 (s·c - |c|²/2): the nearest has the greatest s·c - |c|²/2.
        nearest = (states @ self._centroids.T - self._halves).argmax(dim=1)
        return np.asarray(nearest.to(torch.int32).cpu().numpy())


def pieces(frames: int, chunk: int, context: int) -> Iterator[tuple[int, int, int, int]]:
    """(first sample, sample after the last, frames to skip, frames to take) of each chunk of at most `chunk` frames."""
    for start in range(0, frames, chunk):
        take = min(chunk, frames - start)
        before, after = max(0, start - context), min(frames, start + take + context)
        yield before * HOP, (after - 1) * HOP + FIELD, start - before, take


def _centroids(path: str, width: int, device: str) -> tuple[Any, Any]:
    """Torch float32 [K, width] and half their squared lengths [K]."""
    import torch

    try:
        table = np.load(resolve(path), allow_pickle=False)
    except (OSError, ValueError) as error:
        raise EngineError(f"{_SETTING}: centroids {path!r} cannot be read as a .npy file: {error}") from error
    if table.ndim != 2 or table.shape[1] != width or not np.isfinite(table).all():
        raise EngineError(
            f"{_SETTING}: centroids {path!r} has shape {list(table.shape)}; this model needs finite [K, {width}]"
        )
    centroids = torch.from_numpy(table.astype(np.float32)).to(device)
    return centroids, centroids.square().sum(dim=1) / 2


def _normalizes(folder: Path) -> bool:
    """Whether the checkpoint wants audio of mean 0 and variance 1: its feature extractor says so (base: no)."""
    from transformers import AutoFeatureExtractor

    if not (folder / "preprocessor_config.json").is_file():
        return False
    return bool(read_part(_SETTING, AutoFeatureExtractor, folder).do_normalize)
