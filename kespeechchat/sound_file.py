"""The bytes of a sound file: 16-bit mono out, every format that libsndfile reads in, whole or not at all.

It is in the bottom layer because both the store and the engines that ask servers need it, and neither may import the
other. A sample x is stored as round(32768 x), clipped to 16 bits, and read as n / 32768.
"""

from __future__ import annotations

import io
from typing import BinaryIO

import numpy as np
import soundfile

from kespeechchat.records import Audio
from kespeechchat.waveform import defect

_FULL_SCALE = 32768  # of signed 16-bit samples
_MP3_FRAME = 1441  # bytes of the longest frame of layer III
MOST_VALUES = 1 << 27  # frames × channels of one file, 512 MiB as float32: 46 minutes of mono at 48 kHz


class AudioError(ValueError):
    """Audio that cannot be read or written. The message names the file, where there is one, and the cause."""


def encode(audio: Audio, container: str) -> bytes:
    """`audio` as a 16-bit mono file of `container` (FLAC, WAV). Raises AudioError when empty or not finite."""
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


def samples_of(source: str | io.BytesIO, name: str) -> tuple[np.ndarray, int]:
    """Float32 [T, channels] and the rate in Hz of a file or its bytes; `name` is what an error calls it.

    Raises AudioError when it is no audio, holds no sample, is cut short, or claims more than `MOST_VALUES`.
    """
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
    """As :func:`samples_of`, of an MP3 that does not say how long it is: libsndfile guesses the length from the first
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
