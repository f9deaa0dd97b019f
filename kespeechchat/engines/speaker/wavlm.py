"""WavLM x-vectors (transformers' WavLMForXVector), on GPU or CPU: the paper's speaker encoder.

Source: Chen et al., arXiv 2110.13900.

Clips are cut to a multiple of `step` and batched by exactly that length, since padding turns the vectors (cosine 0.992
on a tiny model, with a mask).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from kespeechchat.config.engines import WavLMSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.batches import cut, heard, in_batches
from kespeechchat.engines.checkpoints import from_pretrained, pick_device, read_part, transformers_folder, working
from kespeechchat.engines.models import identify
from kespeechchat.engines.speaker import SpeakerEncoder
from kespeechchat.records import Audio, RowError

_SHORTEST = 0.4  # s; the x-vector head's convolutions find too few frames in less
_SETTING = "speaker.use: wavlm"


class WavLM(SpeakerEncoder):
    """`size` is the model's own (512 for wavlm-base-plus-sv)."""

    def __init__(self, settings: WavLMSettings) -> None:
        """Raises EngineError where the model or its library is missing, or the model is none with an x-vector head."""
        try:
            from transformers import AutoConfig, AutoFeatureExtractor, WavLMForXVector
        except ImportError as error:
            raise EngineError(f"{_SETTING} needs transformers ({error}): pip install 'kespeechchat[paper]'") from error
        folder = transformers_folder(_SETTING, settings.model, "microsoft/wavlm-base-plus-sv")
        kind = read_part(_SETTING, AutoConfig, folder).model_type
        if kind != "wavlm":
            raise EngineError(f"{_SETTING}: model {settings.model!r} is of type {kind!r}, wanted 'wavlm'")
        self._settings = settings
        self._device = pick_device(settings.device, _SETTING)
        model = from_pretrained(_SETTING, WavLMForXVector, folder, ignored=("objective.", "classifier."))
        self._model = model.to(self._device)
        self._features = read_part(_SETTING, AutoFeatureExtractor, folder)
        self._rate = int(self._features.sampling_rate)
        self.size = int(model.config.xvector_output_dim)
        self.deterministic = self._device == "cpu"

    def identity(self) -> dict[str, str]:
        return {"model": identify(self._settings.model), **{n: version(n) for n in ("transformers", "torch", "soxr")}}

    def xvectors(self, audios: Sequence[Audio]) -> list[Float32 | RowError]:
        """Unit-length float32 [size] per utterance of any rate, in order; a RowError for one that is broken, silent or
        under 0.4 s."""
        step = round(self._settings.step * self._rate)
        clips = [heard(audio, self._rate, _SHORTEST) for audio in audios]
        clips = [clip if isinstance(clip, RowError) else cut(clip, step) for clip in clips]
        with working(self._settings.threads):
            return [unit(v) for v in in_batches(clips, self._settings.batch, self._embed)]

    def _embed(self, clips: Float32) -> Float32:
        """Float32 [B, size] of `clips` float32 [B, T]."""
        inputs = self._features(list(clips), sampling_rate=self._rate, return_tensors="pt")
        values = inputs["input_values"].to(self._device)
        vectors: Float32 = self._model(values).embeddings.float().cpu().numpy()
        return vectors


def unit(vector: Float32 | RowError) -> Float32 | RowError:
    """Float32 [D] `vector` at length 1, or the RowError that it is; a RowError where it has no direction."""
    if isinstance(vector, RowError):
        return vector
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm == 0:
        return RowError("the speaker encoder gave no direction (zero or not finite)")
    return np.asarray(vector / norm, dtype=np.float32)
