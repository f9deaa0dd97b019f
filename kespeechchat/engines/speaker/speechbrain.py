"""SpeechBrain's speaker encoder (EncoderClassifier, such as spkrec-ecapa-voxceleb): another choice of x-vector.

Source of that network, ECAPA-TDNN: Desplanques et al., arXiv 2005.07143.

A SpeechBrain folder says how its network is built in `hyperparams.yaml`, whose tags can create any Python object, and
names where its weights are, a hub address even in a local copy. So the file's tags are read first and only the classes
of an encoder let through, the weights are taken from the folder alone, and the network stays unused.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from kespeechchat.config.engines import SpeechBrainSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.batches import cut, heard, in_batches
from kespeechchat.engines.checkpoints import absent_weights, check_whole, model_folder, pick_device, working
from kespeechchat.engines.models import identify
from kespeechchat.engines.speaker import SpeakerEncoder
from kespeechchat.engines.speaker.wavlm import unit
from kespeechchat.records import Audio, RowError

_RATE = 16_000  # Hz
_SHORTEST = 0.4  # s
_SETTING = "speaker.use: speechbrain"
_WEIGHTS = "embedding_model.ckpt"
_HARMLESS = {"!", "!ref", "!copy", "!tuple"} | {
    f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "int", "map", "merge", "null", "seq", "str")
}
_CLASSES = {
    "speechbrain.lobes.features.Fbank",
    "speechbrain.lobes.features.MFCC",
    "speechbrain.processing.features.InputNormalization",
    "speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN",
    "speechbrain.lobes.models.ECAPA_TDNN.Classifier",
    "speechbrain.lobes.models.Xvector.Xvector",
    "speechbrain.lobes.models.Xvector.Classifier",
    "speechbrain.lobes.models.ResNet.ResNet",
    "speechbrain.lobes.models.ResNet.Classifier",
    "speechbrain.dataio.encoder.CategoricalEncoder",
    "speechbrain.utils.parameter_transfer.Pretrainer",
    "torch.nn.LeakyReLU",
    "torch.nn.ReLU",
}


class SpeechBrain(SpeakerEncoder):
    """Clips are cut to a multiple of `step` and batched by exactly that length."""

    def __init__(self, settings: SpeechBrainSettings) -> None:
        """Raises EngineError where library or files are missing, or the folder asks for more than an encoder."""
        try:
            from speechbrain.inference.classifiers import EncoderClassifier
        except ImportError as error:
            raise EngineError(f"{_SETTING} needs speechbrain ({error}): pip install 'kespeechchat[paper]'") from error
        _forget_lazy_modules()
        files = ["hyperparams.yaml", _WEIGHTS]
        folder = model_folder(_SETTING, settings.model, files, "speechbrain/spkrec-ecapa-voxceleb")
        self._settings = settings
        self._device = pick_device(settings.device, _SETTING)
        self._model = _load(EncoderClassifier, folder, self._device)
        self.deterministic = self._device == "cpu"
        with working(settings.threads):
            self.size = int(self._embed(np.zeros((1, _RATE), np.float32)).shape[1])

    def identity(self) -> dict[str, str]:
        return {"model": identify(self._settings.model), **{n: version(n) for n in ("speechbrain", "torch", "soxr")}}

    def xvectors(self, audios: Sequence[Audio]) -> list[Float32 | RowError]:
        """Unit-length float32 [size] per utterance of any rate, in order; a RowError for one that is broken, silent or
        under 0.4 s."""
        step = round(self._settings.step * _RATE)
        clips = [heard(audio, _RATE, _SHORTEST) for audio in audios]
        clips = [clip if isinstance(clip, RowError) else cut(clip, step) for clip in clips]
        with working(self._settings.threads):
            return [unit(v) for v in in_batches(clips, self._settings.batch, self._embed)]

    def _embed(self, clips: Float32) -> Float32:
        """Float32 [B, size] of `clips` float32 [B, T]."""
        import torch

        vectors: Float32 = self._model.encode_batch(torch.from_numpy(clips))[:, 0].float().cpu().numpy()
        return vectors


def _forget_lazy_modules() -> None:
    """SpeechBrain leaves stand-ins in `sys.modules` that import optional packages (k2, spacy…) when looked at, so that
    whoever merely walks the loaded modules afterwards gets an ImportError."""
    from speechbrain.utils.importutils import LazyModule

    for name, module in list(sys.modules.items()):
        if isinstance(module, LazyModule):
            del sys.modules[name]


def _load(kind: Any, folder: Path, device: str) -> Any:
    import torch
    from speechbrain.utils.fetching import FetchConfig

    settings = screened(folder / "hyperparams.yaml")
    place = {"pretrained_path": str(folder)} if "pretrained_path" in settings else {}
    try:
        model = kind.from_hparams(
            source=str(folder),
            overrides=place,
            run_opts={"device": device},
            fetch_config=FetchConfig(allow_network=False),
        )
        given = torch.load(folder / _WEIGHTS, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # SpeechBrain, hyperpyyaml and torch raise many kinds
        raise EngineError(f"{_SETTING}: {folder} does not load: {type(error).__name__}: {error}") from error
    check_whole(_SETTING, folder / _WEIGHTS, absent_weights(model.mods["embedding_model"], given))
    return model.eval()


def screened(path: Path) -> set[str]:
    """Top-level keys of a `hyperparams.yaml`, whose tags name nothing but an encoder's classes. Raises EngineError."""
    text = path.read_text(encoding="utf-8")
    try:
        tags = {tag for event in yaml.parse(text) if (tag := getattr(event, "tag", None))}
        root = yaml.compose(text)
    except yaml.YAMLError as error:
        raise EngineError(f"{_SETTING}: {path} is not YAML: {error}") from error
    for tag in sorted(tags):
        kind, _, name = tag.partition(":")
        if tag not in _HARMLESS and not (kind in ("!new", "!name") and name in _CLASSES):
            raise EngineError(
                f"{_SETTING}: {path} asks for {tag}, which is not part of a speaker encoder and would be run when the "
                "model loads; take it out of the file, or use another model"
            )
    if not isinstance(root, yaml.MappingNode):
        raise EngineError(f"{_SETTING}: {path} is not a mapping of settings")
    return {key.value for key, _ in root.value}
