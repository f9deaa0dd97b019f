"""DistillMOS (Microsoft): how natural an utterance sounds, one head `distillmos`, about 1 to 5.

The network hears windows of 7.68 s at 16 kHz and pads a shorter utterance with zeros, so half a second costs the
library as much as seven. Most of that is a convolution over the padding, whose answer is the same for every utterance:
it is computed once here, and each utterance's own part is put in front of it. The score is the library's own, bit for
bit but for the last ones, at a third of its time for an utterance of two seconds. Batches would save nothing on a CPU
(0.41 s a clip alone, 0.49 s in eights), so each utterance is a run of its own and its score depends on no other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from kespeechchat.config.engines import DistillMOSSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.batches import heard
from kespeechchat.engines.checkpoints import pick_device, working
from kespeechchat.engines.models import resolve
from kespeechchat.engines.mos import MOS
from kespeechchat.records import Audio, RowError

HEAD = "distillmos"
RATE = 16_000  # Hz
WINDOW = 122_880  # samples that the network hears at once, 7.68 s
_SHORTEST = 0.1  # s
_FRAME, _FRAMES = 160, WINDOW // 160  # samples from one frame of the spectrum to the next; frames of a window
_REACH = 6  # frames that the convolution's answer depends on, to each side
_SETTING = "mos.use: distillmos"


class DistillMOS(MOS):
    """Scores utterances one by one; a score does not depend on its neighbours."""

    def __init__(self, settings: DistillMOSSettings) -> None:
        """Raises EngineError where the library or its weights are missing or do not fit."""
        import torch

        try:
            from distillmos import ConvTransformerSQAModel
        except ImportError as error:
            raise EngineError(
                f"{_SETTING} needs distillmos ({error}): pip install --no-deps -r requirements/no-deps.txt"
            ) from error
        self._settings = settings
        self._device = pick_device(settings.device, _SETTING)
        path = resolve(settings.carried)
        model: Any = ConvTransformerSQAModel(load_weights=False)
        try:
            model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["model"])
        except (RuntimeError, KeyError, TypeError) as error:
            raise EngineError(
                f"{_SETTING}: {path} does not load: {str(error).splitlines()[0]}; reinstall distillmos"
            ) from error
        self._model = model.to(self._device).eval()
        self.deterministic = self._device == "cpu"
        with working(settings.threads):
            self._silence = self._model.cnn(torch.zeros(1, WINDOW, device=self._device))  # [1, C, _FRAMES / 2]

    def identity(self) -> dict[str, str]:
        named = ("distillmos", "xls-r-sqa", "torch", "soxr")
        return {"model": "distillmos:weights/distill_mos_v7.pt", **{name: version(name) for name in named}}

    def score(self, audios: Sequence[Audio]) -> list[dict[str, float] | RowError]:
        """`{"distillmos": value}` per utterance of any rate; broken, silent or under 0.1 s: a RowError."""
        with working(self._settings.threads):
            return [self._score(heard(audio, RATE, _SHORTEST)) for audio in audios]

    def _score(self, samples: Float32 | RowError) -> dict[str, float] | RowError:
        import torch

        if isinstance(samples, RowError):
            return samples
        heard_at = [self._features(cut) for cut in windows(samples, self._settings.windows)]
        quality = self._model.transformer_pool_attn(torch.cat(heard_at).permute(0, 2, 1))  # [windows, 1], 0 to 1
        return {HEAD: 1.0 + 4.0 * float(quality.mean())}

    def _features(self, cut: Float32) -> Any:
        """Float32 [1, C, 384] of one window [T ≤ WINDOW]: what the network's convolution makes of it and of the zeros
        behind it."""
        import torch

        peak = float(np.abs(cut).max())
        spoken = math.ceil(len(cut) / _FRAME) + 1  # frames that hold some of the utterance
        own = (spoken + _REACH) // 2 + 1  # of the convolution's answer, which has half as many steps as frames
        frames = min(_FRAMES, 2 * own + 2 * _REACH)
        padded = np.zeros(frames * _FRAME, dtype=np.float32)
        padded[: len(cut)] = cut / (peak + 1e-8)
        answer = self._model.cnn(torch.from_numpy(padded)[None].to(self._device))
        if frames == _FRAMES:
            return answer
        return torch.cat([answer[:, :, :own], self._silence[:, :, own:]], dim=2)


def windows(samples: Float32, most: int | None = None) -> list[Float32]:
    """`samples` float32 [T] at 16 kHz as windows of at most 7.68 s: the whole where it is no longer, else as many as
    lie at most a second apart, spread evenly from its start to its end; `most` of them at most (the first, where `most`
    is 1)."""
    over = len(samples) - WINDOW
    if over <= 0:
        return [samples]
    count = math.ceil(over / RATE) + 1
    if most is not None:
        count = min(count, most)
    return [samples[int(at * over) : int(at * over) + WINDOW] for at in np.linspace(0, 1, count)]
