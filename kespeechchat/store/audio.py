"""Audio to and from bytes and files: 16-bit mono FLAC in Parquet, and every format of a corpus that libsndfile reads.

A sample x is stored as round(32768 x), clipped to 16 bits, and read as n / 32768. So what was decoded once encodes to
the same numbers again, and an utterance passes through any number of stages without further loss.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile

from kespeechchat.records import Audio
from kespeechchat.waveform import defect, resample

__all__ = ["AudioError", "decode", "encode_flac", "read", "resample", "write_wav"]

_FULL_SCALE = 32768  # of signed 16-bit samples
MOST_VALUES = 1 << 27  # frames × channels of one file, 512 MiB as float32: 46 minutes of mono at 48 kHz


class AudioError(ValueError):
    """Audio that cannot be read or written. The message names the file, where there is one, and the cause."""


def encode_flac(audio: Audio) -> bytes:
    """`audio` as 16-bit mono FLAC. Samples beyond ±1 are clipped. Raises AudioError when empty or not finite."""
    return _encode(audio, "FLAC")


def write_wav(path: str | Path, audio: Audio) -> None:
    """Writes `audio` as a 16-bit mono WAV file; same samples and errors as :func:`encode_flac`."""
    Path(path).write_bytes(_encode(audio, "WAV"))


def decode(data: bytes) -> Audio:
    """The audio of a whole file's bytes in any format libsndfile knows, float32, its channels averaged.

    Raises AudioError when the bytes are no audio, hold no sample, or are cut short.
    """
    return _read(io.BytesIO(data), f"{len(data)} bytes")


def read(path: str | Path) -> Audio:
    """The audio of a file in any format libsndfile knows (WAV, FLAC, OGG, MP3, …), at the file's own rate.

    Several channels are averaged into one: a corpus of single speakers in stereo holds the same voice twice. Raises
    AudioError naming the file when it is missing, unreadable or empty.
    """
    if not Path(path).is_file():
        raise AudioError(f"{path}: no such file")
    return _read(str(path), str(path))


def read_channels(path: str | Path) -> list[Audio]:
    """As :func:`read`, each channel by itself, in the file's order."""
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
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    return Audio(np.ascontiguousarray(mono), rate)


def _samples(source: str | io.BytesIO, name: str) -> tuple[np.ndarray, int]:
    """Float32 [T, channels] and the rate."""
    try:
        with soundfile.SoundFile(source) as file:
            declared, rate = file.frames, file.samplerate
            if (
                declared * file.channels > MOST_VALUES
            ):  # a few kB of FLAC can claim it, and silence really is that small
                raise AudioError(
                    f"{name}: says it holds {declared} samples in each of {file.channels} channels, and one file may "
                    f"hold {MOST_VALUES} in all; cut it into utterances"
                )
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as e:
        raise AudioError(f"{name}: not readable as audio ({e}); is it whole, and in a format libsndfile knows?") from e
    if len(samples) == 0:
        raise AudioError(f"{name}: holds no samples")
    if len(samples) < declared:
        raise AudioError(f"{name}: cut short, {len(samples)} of {declared} samples are there")
    return samples, rate
