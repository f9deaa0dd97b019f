"""Speech for a page: the marked speech of a turn as MP3, which every browser plays, small enough to be inside it."""

from __future__ import annotations

import base64
import io

import numpy as np

from kespeechchat.store.audio import AudioError, decode, resample

BIT_RATE = 40_000  # bits per second; mono speech at 24 kHz is clear with it, and artefacts of a TTS stay audible
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz, that MP3 has


def mp3(flac: bytes) -> bytes:
    """The audio of a file's bytes as mono MP3, for listening alone. Raises AudioError where the bytes are no audio, or
    PyAV was built without an MP3 encoder."""
    import av

    audio = decode(flac)
    rate = next((r for r in _RATES if r >= audio.sample_rate), _RATES[-1])
    audio = resample(audio, rate)
    out = io.BytesIO()
    try:
        with av.open(out, "w", format="mp3") as container:
            stream = container.add_stream("libmp3lame", rate=rate, layout="mono")
            stream.bit_rate = BIT_RATE
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(audio.samples[None], np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate = rate
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)
    except av.error.FFmpegError as error:
        raise AudioError(f"cannot encode MP3: {error}; `pip install --force-reinstall av` brings an encoder") from None
    return out.getvalue()


def data_url(flac: bytes) -> str:
    """As `mp3`, as the address of an `<audio>` that needs no file."""
    return f"data:audio/mpeg;base64,{base64.b64encode(mp3(flac)).decode()}"
