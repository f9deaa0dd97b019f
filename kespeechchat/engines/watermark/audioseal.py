"""AudioSeal: a mark in the waveform that says "synthetic" and carries a payload (16 bits in the published models).

Source: San Roman et al., arXiv 2401.17264.

The network is trained at 16 kHz and does not resample, whatever rate it is told. So audio of another rate is resampled
to 16 kHz, and only the mark that the network makes of it (a waveform that is added) is brought back to the audio's own
rate: length, rate and everything above 8 kHz stay as they were. Detection hears 16 kHz alike.

Its own loader unpickles whatever it is given, which runs code that the file carries. Here the checkpoints are read as
plain weights, with the settings classes that AudioSeal stores beside them allowed by name; a file that needs more is
refused unless the profile says `unpickle: true`.
"""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from string import hexdigits
from typing import Any

import numpy as np

from kespeechchat.config.engines import AudioSealSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32, Int64
from kespeechchat.engines.batches import cut, heard, in_batches, padded
from kespeechchat.engines.checkpoints import absent_weights, check_whole, model_folder, pick_device, working
from kespeechchat.engines.models import identify
from kespeechchat.engines.watermark import Detection, Watermark
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import defect, resample

_RATE = 16_000  # Hz, what the published models are trained on
_STEP = 1_600  # samples: clips are padded (to mark) or cut (to detect) to a multiple of 0.1 s, five of its frames
_SHORTEST = 0.1  # s
_SETTING = "watermark.use: audioseal"
_SOURCE = "facebook/audioseal"
_CARDS = ("audioseal_wm_16bits", "audioseal_detector_16bits")  # of that repository, inside the package


class AudioSealWatermark(Watermark):
    """Marks and finds marks in batches of one length; no result depends on its batch."""

    def __init__(self, settings: AudioSealSettings) -> None:
        """Raises EngineError where the library or a checkpoint is missing, damaged or not plain weights."""
        os.environ.setdefault("NO_TORCH_COMPILE", "1")  # read at import; compiling costs 47 s at the first call
        try:
            import audioseal.builder
        except ImportError as error:
            raise EngineError(f"{_SETTING} needs audioseal ({error}): pip install 'kespeechchat[paper]'") from error
        folder = model_folder(_SETTING, settings.model, [settings.generator, settings.detector], _SOURCE)
        self._settings = settings
        self._device = pick_device(settings.device, _SETTING)
        build = audioseal.builder
        self._generator = _network(
            folder / settings.generator, build.AudioSealWMConfig, build.create_generator, _CARDS[0], settings.unpickle
        ).to(self._device)
        self._detector = _network(
            folder / settings.detector,
            build.AudioSealDetectorConfig,
            build.create_detector,
            _CARDS[1],
            settings.unpickle,
        ).to(self._device)
        self.payload_bits = int(self._generator.msg_processor.nbits)
        if self._detector.nbits != self.payload_bits:
            raise EngineError(
                f"{_SETTING}: {settings.generator} writes {self.payload_bits} bits, {settings.detector} reads "
                f"{self._detector.nbits}; name a generator and a detector that were trained together"
            )
        self.deterministic = self._device == "cpu"

    def identity(self) -> dict[str, str]:
        return {"model": identify(self._settings.model), **{n: version(n) for n in ("audioseal", "torch", "soxr")}}

    def embed(self, audios: Sequence[Audio], payload: str | None = None) -> list[Audio | RowError]:
        """The same audio, marked, clipped to ±1: float32, its own length and rate.

        `payload`: hex, of as many bits as the model carries (4 digits for 16 bits); None writes all zeros, never the
        random message that the library would make up. Broken, silent or under 0.1 s: a RowError. Raises EngineError
        for a payload that does not fit.
        """
        message = bits(payload or "0" * -(-self.payload_bits // 4), self.payload_bits)
        clips = [heard(audio, _RATE, _SHORTEST) for audio in audios]
        clips = [clip if isinstance(clip, RowError) else padded(clip, _STEP) for clip in clips]
        with working(self._settings.threads):
            marks = in_batches(clips, self._settings.batch, lambda batch: self._marks(batch, message))
        return [m if isinstance(m, RowError) else _added(a, m) for a, m in zip(audios, marks, strict=True)]

    def detect(self, audios: Sequence[Audio]) -> list[Detection | RowError]:
        """The share of frames found marked, and the payload as hex (the bits of unmarked audio mean nothing). A silent
        one scores 0 and has no payload; broken or under 0.1 s is a RowError."""
        clips = [defect(audio, _SHORTEST) or _at_rate(audio) for audio in audios]
        with working(self._settings.threads):
            return in_batches(clips, self._settings.batch, self._detections)

    def _marks(self, clips: Float32, message: Int64) -> Float32:
        """The mark alone, float32 [B, T], of `clips` float32 [B, T] at 16 kHz; `message` is int [bits]."""
        import torch

        audio = torch.from_numpy(clips)[:, None].to(self._device)
        messages = torch.from_numpy(message).to(self._device).repeat(len(clips), 1)
        marks: Float32 = self._generator.get_watermark(audio, message=messages)[:, 0].float().cpu().numpy()
        return marks

    def _detections(self, clips: Float32) -> list[Detection]:
        """Of `clips` float32 [B, T] at 16 kHz."""
        import torch

        audio = torch.from_numpy(clips)[:, None].to(self._device)
        shares, messages = self._detector.detect_watermark(audio)
        heard_any = np.any(clips, axis=1)
        return [
            Detection(float(share), to_hex(message)) if sound else Detection(0.0)
            for share, message, sound in zip(shares.cpu(), messages.cpu().numpy(), heard_any, strict=True)
        ]


def bits(payload: str, count: int) -> Int64:
    """int64 [count] of a hex `payload`, most significant bit first. Raises EngineError for any that does not fit."""
    digits = -(-count // 4)
    value = int(payload, 16) if len(payload) == digits and set(payload) <= set(hexdigits) else -1
    if not 0 <= value < 1 << count:
        raise EngineError(
            f"watermark payload {payload!r}: this model carries {count} bits; write {digits} hex digits, such as "
            f"{'1a2b3c4d5e6f7081'[:digits]!r}"
        )
    return np.array([value >> shift & 1 for shift in range(count - 1, -1, -1)], dtype=np.int64)


def to_hex(message: Int64) -> str:
    """Hex of a message int [count] of bits, most significant first."""
    value = int("".join(str(int(bit)) for bit in message), 2)
    return f"{value:0{-(-len(message) // 4)}x}"


def _at_rate(audio: Audio) -> Float32:
    """Float32 [T] at 16 kHz, cut to whole steps so that clips share batches; at most 0.1 s goes unheard."""
    return cut(resample(audio, _RATE).samples.astype(np.float32, copy=False), _STEP)


def _added(audio: Audio, mark: Float32) -> Audio:
    """`audio` with `mark` [T'] (16 kHz, padded at its end) added at the audio's own rate."""
    change = resample(Audio(mark, _RATE), audio.sample_rate).samples
    out = np.array(audio.samples, dtype=np.float32)
    reach = min(len(out), len(change))
    out[:reach] += change[:reach]
    return Audio(np.clip(out, -1.0, 1.0), audio.sample_rate)


def _network(path: Path, kind: type, create: Any, card: str, unpickle: bool) -> Any:
    """The generator or detector of a checkpoint, in eval mode, every weight of it set.

    The network's shape is the one that the checkpoint states, else that of the published `card` in the package; the
    names and sizes of the weights decide.
    """
    from audioseal.loader import convert_state_dict_for_scriptable_model, load_local_model_config

    stored = _read(path, unpickle)
    state = stored["best_state"]["model"] if "best_state" in stored else stored.get("model", stored)
    # The library's renaming garbles names that are new already, such as those of a model that it saved itself.
    state = (
        state if any(".inner_conv." in str(name) for name in state) else convert_state_dict_for_scriptable_model(state)
    )
    shapes = {"its own xp.cfg": stored.get("xp.cfg"), f"the card {card}": load_local_model_config(card)}
    refused = []
    for origin, config in shapes.items():
        if config is not None and "seanet" in config:
            try:
                return _filled(path, create, kind, config, state)
            except Exception as error:  # omegaconf and torch raise many kinds
                refused.append(f"{origin}: {type(error).__name__}: {error}")
    raise EngineError(f"{_SETTING}: {path} does not load as a {kind.__name__}. By {'. By '.join(refused)}")


def _filled(path: Path, create: Any, kind: type, config: Any, state: dict[str, Any]) -> Any:
    from audioseal.loader import AudioSeal, load_state_dict

    network = create(AudioSeal.parse_config(dict(config), config_type=kind, nbits=16))
    check_whole(_SETTING, path, absent_weights(network, state))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's old weight norm, inside the library
        load_state_dict(network, state)
    return network.eval()


def _read(path: Path, unpickle: bool) -> dict[str, Any]:
    import torch

    try:
        with torch.serialization.safe_globals(_config_classes()):
            stored = torch.load(path, map_location="cpu", weights_only=not unpickle)
    except pickle.UnpicklingError as error:
        raise EngineError(
            f"{_SETTING}: {path} holds more than weights and would run code of its own when loaded: "
            f"{_refusal(error)}. If you trust where it comes from, set unpickle: true"
        ) from error
    except (RuntimeError, EOFError, OSError) as error:
        raise EngineError(f"{_SETTING}: {path} is not a readable checkpoint ({error}); fetch it again") from error
    if not isinstance(stored, dict):
        raise EngineError(f"{_SETTING}: {path} holds a {type(stored).__name__}, wanted a checkpoint")
    return stored


def _refusal(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line or "Unsupported" in line]
    return (lines or [type(error).__name__])[0]


def _config_classes() -> list[Any]:
    """Classes of the configuration that AudioSeal's checkpoints store: containers of plain values, no code."""
    import collections
    import typing

    from omegaconf import DictConfig, ListConfig, base, nodes

    plain = [getattr(nodes, f"{name}Node") for name in ("Any", "Boolean", "Float", "Integer", "String")]
    return [DictConfig, ListConfig, base.ContainerMetadata, base.Metadata, *plain, collections.defaultdict,
            dict, list, int, typing.Any]  # fmt: skip
