"""UTMOS (strong learner; Saeki et al., arXiv 2204.02152) by utmos-pytorch: one head, `utmos`, about 1 to 5.

Every clip is its own run: in a batch, padding would shift its score, and the library takes a [B, T] array for one
utterance of B channels.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kespeechchat.config.engines import UTMOSSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.batches import heard
from kespeechchat.engines.checkpoints import absent_weights, check_whole, pick_device, working
from kespeechchat.engines.models import identify, resolve
from kespeechchat.engines.mos import MOS
from kespeechchat.records import Audio, RowError

_RATE = 16_000  # Hz
_SHORTEST = 0.1  # s
_FILE = "utmos_state_dict.pt"
_SETTING = "mos.use: utmos"


class UTMOS(MOS):
    """Scores utterances one by one, so that a score does not depend on its batch."""

    def __init__(self, settings: UTMOSSettings) -> None:
        """Raises EngineError where the library or the file of weights is missing, or is another model's."""
        try:
            from utmos_pytorch import UTMOSScoreTorch
        except ImportError as error:
            raise EngineError(f"{_SETTING} needs utmos-pytorch ({error}): pip install 'kespeechchat[paper]'") from error
        path = _file(settings.model)
        self._settings = settings
        self._device = pick_device(settings.device, _SETTING)
        given = _names(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's old weight norm, inside the package
                self._scorer = UTMOSScoreTorch(ckpt_path=str(path), device=self._device).eval()
        except RuntimeError as error:
            raise EngineError(f"{_SETTING}: {path} does not load: {str(error).splitlines()[0]}") from error
        check_whole(_SETTING, path, absent_weights(self._scorer.model, given))
        self.deterministic = self._device == "cpu"

    def identity(self) -> dict[str, str]:
        return {"model": identify(self._settings.model), **{n: version(n) for n in ("utmos-pytorch", "torch", "soxr")}}

    def score(self, audios: Sequence[Audio]) -> list[dict[str, float] | RowError]:
        """`{"utmos": value}` per utterance of any rate; broken, silent or under 0.1 s: a RowError."""
        with working(self._settings.threads):
            return [self._score(heard(audio, _RATE, _SHORTEST)) for audio in audios]

    def _score(self, samples: Float32 | RowError) -> dict[str, float] | RowError:
        import torch

        if isinstance(samples, RowError):
            return samples
        audio = torch.from_numpy(np.ascontiguousarray(samples))[None, None].to(self._device)  # [1, 1, T]
        return {"utmos": float(self._scorer.score(audio)[0])}


def _file(model: str) -> Path:
    """The file of weights: `model` itself, or the one of the library's own name inside it."""
    fix = f"fetch it with: hf download Blinorot/UTMOS-PyTorch {_FILE} --local-dir FOLDER, and name FOLDER/{_FILE}"
    path = Path(model).expanduser()
    if not model.startswith(("hub:", "package:")) and not path.exists():
        raise EngineError(f"{_SETTING}: model {model!r} is not there; {fix.replace('FOLDER', str(path.parent))}")
    path = resolve(model)
    path = path / _FILE if path.is_dir() else path
    if not path.is_file():
        raise EngineError(f"{_SETTING}: model {model!r}: {path} is missing; {fix}")
    return path


def _names(path: Path) -> list[str]:
    """Names of the weights in a state dict; its values are not read."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise EngineError(
            f"{_SETTING}: {path} is not a state dict ({type(error).__name__}); fetch {_FILE} again"
        ) from error
    if not isinstance(state, dict):
        raise EngineError(f"{_SETTING}: {path} holds a {type(state).__name__}, wanted a state dict")
    return list(state)
