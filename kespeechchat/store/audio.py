"""Audio to and from bytes and files: 16-bit mono FLAC in Parquet, and every format of a corpus that libsndfile reads.

A sample x is stored as round(32768 x), clipped to 16 bits, and read as n / 32768. So what was decoded once encodes to
the same numbers again, and an utterance passes through any number of stages without further loss.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from kespeechchat.records import Audio
from kespeechchat.waveform import defect, resample

__all__ = ["AudioError", "decode", "encode_flac", "encode_wav", "read", "resample", "write_wav"]

_FULL_SCALE = 32768  # of signed 16-bit samples
_ONE_VOICE, _INVERTED, _SILENT = 0.1, 0.9, 1e-4  # shares of the energy of all channels
_CHOOSE = "set `channel: 0`, `1` or `mix` for this input (speech.inputs)"
_MP3_FRAME = 1441  # bytes of the longest frame of layer III
MOST_VALUES = 1 << 27  # frames × channels of one file, 512 MiB as float32: 46 minutes of mono at 48 kHz


class AudioError(ValueError):
    """Audio that cannot be read or written. The message names the file, where there is one, and the cause."""


class TwoChannels(AudioError):
    """Stereo whose channels are not one voice: they differ, or one is the other inverted."""


def encode_flac(audio: Audio) -> bytes:
    """`audio` as 16-bit mono FLAC. Samples beyond ±1 are clipped. Raises AudioError when empty or not finite."""
    return _encode(audio, "FLAC")


def encode_wav(audio: Audio) -> bytes:
    """`audio` as a 16-bit mono WAV file's bytes; same samples and errors as :func:`encode_flac`."""
    return _encode(audio, "WAV")


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
    samples, rate = _samples(str(path), str(path))
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
    samples, rate = _samples(str(path), str(path))
    return [Audio(np.ascontiguousarray(samples[:, n]), rate) for n in range(samples.shape[1])]


def _encode(audio: Audio, container: str) -> bytes:
    fault = defect(audio)
    if fault is not None:
        raise AudioError(fault.message)
    scaled = np.rint(np.asarray(audio.samples, dtype=np.float64) * _FULL_SCALE)
    pcm = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    out = io.BytesIO()
    try:
        soundfile.write(out, pcm, audio.sample_rate, format=container, subtype="PCM_16")
    except soundfile.SoundFileError as e:
        raise AudioError(f"cannot encode {len(pcm)} samples at {audio.sample_rate} Hz as {container}: {e}") from e
    return out.getvalue()


def _read(source: str | io.BytesIO, name: str) -> Audio:
    samples, rate = _samples(source, name)
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


def _samples(source: str | io.BytesIO, name: str) -> tuple[np.ndarray, int]:
    """Float32 [T, channels] and the rate."""
    try:
        with soundfile.SoundFile(source) as file:
            declared, rate = file.frames, file.samplerate
            if file.format == "MP3" and not _states_length(source):
                return _counted_mp3(source, name)
            if (
                declared * file.channels > MOST_VALUES
            ):  # a few kB of FLAC can claim it, and silence really is that small
                raise AudioError(_too_long(name, f"{declared} samples in each of {file.channels} channels"))
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as e:
        raise AudioError(f"{name}: not readable as audio ({e}); is it whole, and in a format libsndfile knows?") from e
    if len(samples) == 0:
        raise AudioError(f"{name}: holds no samples")
    if len(samples) < declared:
        raise AudioError(f"{name}: cut short, {len(samples)} of {declared} samples are there")
    return samples, rate


def _too_long(name: str, what: str) -> str:
    return f"{name}: says it holds {what}, and one file may hold {MOST_VALUES} in all; cut it into utterances"


def _states_length(source: str | io.BytesIO) -> bool:
    """Whether an MP3 says in its first frame (Xing, Info or VBRI) how long it is."""
    if isinstance(source, str):
        with open(source, "rb") as file:
            return _length_in(file)
    return _length_in(io.BytesIO(source.getbuffer()))


def _length_in(file: BinaryIO) -> bool:
    head = file.read(10)
    tag = 0
    if head[:3] == b"ID3" and len(head) == 10:
        tag = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    file.seek(tag)
    first = file.read(_MP3_FRAME)
    return any(word in first for word in (b"Xing", b"Info", b"VBRI"))


def _counted_mp3(source: str | io.BytesIO, name: str) -> tuple[np.ndarray, int]:
    """As :func:`_samples`, of an MP3 that does not say how long it is: libsndfile guesses the length from the first
    frames, which a variable rate makes wrong (libsndfile 1001), and reads no further. FFmpeg reads to the end."""
    import av

    opened = source if isinstance(source, str) else io.BytesIO(source.getbuffer())
    parts, values = [], 0
    try:
        with av.open(opened, "r", format="mp3") as container:
            for frame in container.decode(audio=0):
                planes = frame.to_ndarray()  # float32 [channels, T]
                values += planes.size
                if values > MOST_VALUES:
                    raise AudioError(_too_long(name, "more than that"))
                parts.append(planes.T)
                rate = frame.sample_rate
    except (av.error.FFmpegError, IndexError) as e:
        raise AudioError(f"{name}: not readable as MP3 ({e}); is it whole?") from e
    if not parts:
        raise AudioError(f"{name}: holds no samples")
    return np.concatenate(parts).astype(np.float32, copy=False), rate
