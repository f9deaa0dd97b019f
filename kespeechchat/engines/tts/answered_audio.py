"""The speech in a server's answer: whole, audible, one voice, or an error that says what is wrong with it."""

from __future__ import annotations

import codecs
import io
import struct

import numpy as np

from kespeechchat.engines.arrays import Float32
from kespeechchat.records import Audio
from kespeechchat.sound_file import AudioError, samples_of

_SHORTEST = 0.1  # s; less is no speech
_SILENT = 1e-3  # of full scale: no sample of a voice is that soft throughout
_ALIKE = 1e-4  # of full scale, by which the channels of one voice may differ
_SHOWN = 120  # characters of an answer that is no audio
_UNKNOWN_SIZE = 0x7FFFFF00  # from here on, a WAV's size is a placeholder of a server that wrote it while it spoke
_CONTAINERS = (b"RIFF", b"OggS", b"fLaC")  # how files begin of a server that does not give PCM when asked for it
_LAST_PAGE = 0x04  # flag of the page that ends a stream of Ogg


def decoded(data: bytes, format_: str, rate: int) -> Audio:
    """The speech of an answer, at the rate that it says; bare PCM says none and is taken at `rate` Hz.

    Two channels that hold the same are one. Raises ValueError that says what is wrong: no bytes, no audio, cut short,
    silent, under 0.1 s, stereo of two voices.
    """
    if not data:
        raise ValueError("an answer of 0 bytes")
    samples, found = _pcm(data, rate) if format_ == "pcm" else _file(data)
    mono = _one_voice(samples)
    if len(mono) < _SHORTEST * found:
        raise ValueError(f"an answer of {len(mono) / found:.2f} s, which is no speech")
    if not np.isfinite(mono).all() or float(np.abs(mono).max()) < _SILENT:
        raise ValueError(f"an answer of {len(mono) / found:.2f} s of silence")
    return Audio(np.clip(mono, -1.0, 1.0), found)


def _pcm(data: bytes, rate: int) -> tuple[Float32, int]:
    """16-bit little-endian samples of one channel, float32 [T, 1]."""
    if data[:4] in _CONTAINERS or data[:3] == b"ID3" or _is_text(data):
        raise ValueError(f"an answer that is no PCM: {_beginning(data)}")
    if len(data) % 2:
        raise ValueError(f"an answer cut short: {len(data)} bytes are no whole number of 16-bit samples")
    samples: Float32 = np.frombuffer(data, dtype="<i2").astype(np.float32)[:, None] / np.float32(32768)
    return samples, rate


def _file(data: bytes) -> tuple[Float32, int]:
    if data[:4] == b"RIFF":
        data = _whole_wav(data)
    elif data[:4] == b"OggS" and not _ends_ogg(data):
        raise ValueError("an answer cut short: its last page of Ogg does not end the stream")
    try:
        return samples_of(io.BytesIO(data), "the answer")
    except AudioError as error:
        raise ValueError(f"{error}; it begins with {_beginning(data)}") from None


def _is_text(data: bytes) -> bool:
    """Whether it begins as prose, HTML or JSON does: UTF-8 without control characters, which no speech is."""
    try:
        begun = codecs.getincrementaldecoder("utf-8")().decode(data[:_SHOWN])  # the cut may go through a character
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in begun)


def _ends_ogg(data: bytes) -> bool:
    """Whether its last page says that the stream ends there."""
    flags = data[data.rfind(b"OggS") + 5 :][:1]
    return bool(flags and flags[0] & _LAST_PAGE)


def _whole_wav(data: bytes) -> bytes:
    """A WAV whose size is what is there. A server that writes while it speaks states 0, or the greatest size."""
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"data":
            there = len(data) - place - 8
            if size == 0 or size >= _UNKNOWN_SIZE:
                return data[: place + 4] + struct.pack("<I", there) + data[place + 8 :]
            if size > there:
                raise ValueError(f"an answer cut short: {there} of {size} bytes of sound are there")
            return data
        place += 8 + size + size % 2
    raise ValueError(f"a WAV without sound: {len(data)} bytes")


def _one_voice(samples: Float32) -> Float32:
    """Float32 [T] of float32 [T, channels]."""
    first: Float32 = np.ascontiguousarray(samples[:, 0])
    if samples.shape[1] > 1 and float(np.abs(samples - first[:, None]).max()) > _ALIKE:
        raise ValueError(f"an answer of {samples.shape[1]} channels that differ; ask the server for one channel")
    return first


def _beginning(data: bytes) -> str:
    return repr(" ".join(data[:_SHOWN].decode("utf-8", "replace").split()))
