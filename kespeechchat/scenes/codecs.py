"""Real codecs, by FFmpeg's libraries through PyAV: speech encoded and decoded again, in its own length and time.

Encoders hold back some samples, and not every container says how many. So the delay of each codec is measured once, on
noise, and taken out: word times hold to the sample of the codec's own rate.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import soxr

from kespeechchat.config.scenes import CodecName
from kespeechchat.scenes.mixing import FULL_SCALE, Float32
from kespeechchat.scenes.sounds import SceneError

_BAND = (300.0, 3400.0)  # Hz, of a telephone line (ITU-T G.120)
_MEASURED = 2.0  # s of noise that a delay is measured on


@dataclass(frozen=True)
class _Codec:
    encoder: str  # FFmpeg's name
    container: str
    rate: int  # Hz
    bit_rate: int | None = None


_CODECS: dict[CodecName, _Codec] = {
    "g711_mulaw": _Codec("pcm_mulaw", "wav", 8000),
    "g711_alaw": _Codec("pcm_alaw", "wav", 8000),
    "g722": _Codec("g722", "wav", 16_000),
    "g726": _Codec("g726", "wav", 8000, 32_000),
    "amr_nb": _Codec("libopencore_amrnb", "amr", 8000, 12_200),
    "opus": _Codec("libopus", "ogg", 16_000, 16_000),
    "mp3": _Codec("libmp3lame", "mp3", 24_000, 32_000),
    "aac": _Codec("aac", "mp4", 24_000, 32_000),
}


def coded(speech: Float32, rate: int, name: CodecName) -> Float32:
    """float32 [T]: `speech` [T] (±1, at `rate` Hz) through the codec and back. Raises SceneError where this FFmpeg
    lacks it."""
    codec = _CODECS[name]
    at_rate = np.asarray(soxr.resample(speech, rate, codec.rate), dtype=np.float32)
    delay = _delay(name)
    late, early = max(delay, 0), max(-delay, 0)  # a decoder that leaves out the beginning is early
    padded = np.pad(at_rate, (early, late + codec.rate // 10))
    back = soxr.resample(_there_and_back(padded, name, codec)[late:], codec.rate, rate)
    out = np.zeros(len(speech), dtype=np.float32)
    reach = min(len(out), len(back))
    out[:reach] = back[:reach]
    return out


def telephone_band(speech: Float32, rate: int) -> Float32:
    """float32 [T]: `speech` [T] from 300 to 3400 Hz, without delay (a Butterworth filter, forward and backward)."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(4, _BAND, "bandpass", fs=rate, output="sos")
    return np.asarray(sosfiltfilt(sections, speech), dtype=np.float32) if len(speech) > 30 else speech


@cache
def _delay(name: CodecName) -> int:
    """Samples (of the codec's rate) by which what comes back is late; below 0 where it is early."""
    from scipy.signal import correlate

    codec = _CODECS[name]
    rng = np.random.default_rng(0)
    sent = np.convolve(rng.standard_normal(round(_MEASURED * codec.rate)), np.ones(8) / 8, "same").astype(np.float32)
    sent *= np.float32(0.3) * np.repeat(rng.uniform(0.1, 1, 20), len(sent) // 20).astype(np.float32)
    back = _there_and_back(sent, name, codec)
    return int(np.argmax(correlate(back, sent, method="fft"))) - (len(sent) - 1)


def _there_and_back(samples: Float32, name: CodecName, codec: _Codec) -> Float32:
    import av

    file = io.BytesIO()
    try:
        with av.open(file, "w", format=codec.container) as out:
            stream: Any = out.add_stream(codec.encoder, rate=codec.rate)
            stream.codec_context.layout = "mono"
            if codec.bit_rate:
                stream.bit_rate = codec.bit_rate
            for packet in (*stream.encode(_frame(samples, codec.rate)), *stream.encode(None)):
                out.mux(packet)
    except (av.error.FFmpegError, ValueError) as error:
        raise SceneError(
            f"codec {name}: this FFmpeg cannot encode it ({codec.encoder}: {error}); name other codecs, or install "
            "PyAV from its wheels"
        ) from None
    file.seek(0)
    with av.open(file, "r") as back:
        resampler = av.AudioResampler("flt", "mono", codec.rate)
        frames = [part for frame in back.decode(audio=0) for part in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32, copy=False)


def _frame(samples: Float32, rate: int) -> Any:
    import av

    whole = np.rint(np.clip(samples, -1, FULL_SCALE) * 32768).astype("<i2")
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    return frame
