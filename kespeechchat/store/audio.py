"""Audio to and from bytes and files: 16-bit mono FLAC in Parquet, and every format of a corpus that libsndfile reads.

A sample x is stored as round(32768 x), clipped to 16 bits, and read as n / 32768. So what was decoded once encodes to
the same numbers again, and an utterance passes through any number of stages without further loss.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from kespeechchat.records import Audio
from kespeechchat.sound_file import AudioError, encode, samples_of
from kespeechchat.waveform import resample

__all__ = ["AudioError", "decode", "encode_flac", "encode_wav", "read", "resample", "write_wav"]

_ONE_VOICE, _INVERTED, _SILENT = 0.1, 0.9, 1e-4  # shares of the energy of all channels
_CHOOSE = "set `channel: 0`, `1` or `mix` for this input (speech.inputs)"


class TwoChannels(AudioError):
    """Stereo whose channels are not one voice: they differ, or one is the other inverted."""


def encode_flac(audio: Audio) -> bytes:
    """`audio` as 16-bit mono FLAC. Samples beyond ±1 are clipped. Raises AudioError when empty or not finite."""
    return encode(audio, "FLAC")


def encode_wav(audio: Audio) -> bytes:
    """`audio` as a 16-bit mono WAV file's bytes; same samples and errors as :func:`encode_flac`."""
    return encode(audio, "WAV")


def write_wav(path: str | Path, audio: Audio) -> None:
    """Writes `audio` as a 16-bit mono WAV file; same samples and errors as :func:`encode_flac`."""
    Path(path).write_bytes(encode_wav(audio))


def decode(data: bytes) -> Audio:
    """The audio of a whole file's bytes in any format libsndfile knows, float32, its channels averaged.

    Raises AudioError when the bytes are no audio, hold no sample, or are cut short.
    """
    return _read(io.BytesIO(data), f"{len(data)} bytes")


def read(path: str | Path, channel: str | None = None, start: float = 0.0, seconds: float | None = None) -> Audio:
    """The audio of a file in any format libsndfile knows (WAV, FLAC, OGG, MP3, …), at the file's own rate.

    `channel`: "0" or "1" takes that one, "mix" averages all; None averages channels that hold one voice. `start` and
    `seconds`: the part of the file that is wanted. Raises TwoChannels where channels differ and none is chosen;
    AudioError naming the file when it is missing, unreadable or empty, or has no such channel or part.
    """
    if not Path(path).is_file():
        raise AudioError(f"{path}: no such file")
    samples, rate = samples_of(str(path), str(path))
    if start or seconds is not None:
        stop = None if seconds is None else round((start + seconds) * rate)
        if round(start * rate) >= len(samples) or (stop or 0) > len(samples) + rate // 10:
            wanted = f"{start:.2f} to {start + (seconds or 0):.2f} s"
            raise AudioError(f"{path}: has {len(samples) / rate:.2f} s, and the corpus names {wanted}")
        samples = samples[round(start * rate) : stop]
    return Audio(np.ascontiguousarray(_one_channel(samples, channel, str(path))), rate)


def read_channels(path: str | Path) -> list[Audio]:
    """As :func:`read`, each channel by itself, float32 [T], in the file's order. Raises AudioError as `read` does."""
    if not Path(path).is_file():
        raise AudioError(f"{path}: no such file")
    samples, rate = samples_of(str(path), str(path))
    return [Audio(np.ascontiguousarray(samples[:, n]), rate) for n in range(samples.shape[1])]


def _read(source: str | io.BytesIO, name: str) -> Audio:
    samples, rate = samples_of(source, name)
    return Audio(np.ascontiguousarray(_one_channel(samples, "mix", name)), rate)


def _one_channel(samples: np.ndarray, channel: str | None, name: str) -> np.ndarray:
    """Float32 [T] of float32 [T, channels]."""
    channels: int = samples.shape[1]
    if channel is not None and channel != "mix":
        if int(channel) >= channels:
            raise AudioError(f"{name}: has {channels} channels, and channel {channel} is wanted (the first is 0)")
        return samples[:, int(channel)]
    if channels == 1:
        return samples[:, 0]
    mono: np.ndarray = samples.mean(axis=1, dtype=np.float32)
    if channel is None:
        _check_one_voice(samples, mono, name)
    return mono


def _check_one_voice(samples: np.ndarray, mono: np.ndarray, name: str) -> None:
    """Raises TwoChannels where the mean of the channels is not what each of them holds.

    Of two channels equally loud, a share of 0.1 of the energy outside their mean is a correlation of 0.8: stereo of one
    voice, also after lossy coding, has more; two people on a channel each have about 0; inverted channels have -1.
    """
    whole = float(np.square(samples, dtype=np.float64).sum())
    if whole == 0:
        return
    outside = float(np.square(samples - mono[:, None], dtype=np.float64).sum()) / whole
    if outside > _INVERTED:
        raise TwoChannels(f"{name}: one channel is the other inverted, so their mean is silence; {_CHOOSE}")
    if outside > _ONE_VOICE:
        loud = np.square(samples, dtype=np.float64).sum(axis=0) > whole * _SILENT
        what = "only one of its channels holds sound" if loud.sum() == 1 else "its channels differ, as of two people"
        raise TwoChannels(f"{name}: {what}; {_CHOOSE}")
