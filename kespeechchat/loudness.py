"""How loud an utterance is, and the gain that brings it to a wanted loudness (EBU R128, ITU-R BS.1770).

The integrated loudness, in LUFS, weights the spectrum as the ear does and leaves pauses out; FFmpeg's own meter gives
it (`ebur128`, through PyAV, which the project needs anyway for MP3). The true peak, in dBTP, also counts what lies
between two samples. Both are taken at four times the rate, as the standard has it for the peak. The gain is one factor
for the whole utterance, so nothing but its level changes.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import numpy as np

from kespeechchat.records import Audio
from kespeechchat.waveform import resample

_BLOCK = 0.4  # s: what the standard measures at once; it says nothing of shorter sounds
_ABSOLUTE_GATE = -70.0  # LUFS: quieter blocks do not count, and the meter gives this where there is no other
_OVERSAMPLED = 4  # times the rate
_FULL_SCALE = 32767 / 32768  # the highest sample of 16 bits


@dataclass(frozen=True)
class Loudness:
    """`integrated`: LUFS, None where nothing is over -70 LUFS. `true_peak`: dBTP, -inf for silence."""

    integrated: float | None
    true_peak: float


def loudness(audio: Audio) -> Loudness:
    """Measures `audio` (mono; float32 [T]).

    An utterance under 0.4 s, of which the standard has no figure, is repeated until it fills that time: its loudness is
    that of its mean power.
    """
    samples = np.asarray(audio.samples, dtype=np.float32)
    if not np.any(samples):
        return Loudness(None, -math.inf)
    rate = _OVERSAMPLED * audio.sample_rate
    over = resample(Audio(samples, audio.sample_rate), rate).samples
    peak = max(float(np.abs(samples).max()), float(np.abs(over).max(initial=0.0)))
    block = math.ceil(_BLOCK * rate)
    integrated = _metered(np.resize(over, block) if len(over) < block else over, rate)
    return Loudness(integrated if integrated > _ABSOLUTE_GATE else None, 20 * math.log10(peak))


@dataclass(frozen=True)
class Levelled:
    """An utterance at its new level. `before`: LUFS, None where it was too quiet to measure; `gain`: dB."""

    audio: Audio
    before: float | None
    gain: float


def levelled(audio: Audio, lufs: float, true_peak: float) -> Levelled:
    """`audio` at `lufs` LUFS, or as near below as its true peak stays at `true_peak` dBTP (at most 0).

    Silence, and what is under -70 LUFS, stays as it is.
    """
    found = loudness(audio)
    if found.integrated is None:
        return Levelled(audio, None, 0.0)
    gain = min(lufs - found.integrated, true_peak - found.true_peak)
    samples = np.asarray(audio.samples, dtype=np.float32) * np.float32(10 ** (gain / 20))
    return Levelled(Audio(np.clip(samples, -1.0, _FULL_SCALE), audio.sample_rate), found.integrated, gain)


def _metered(samples: np.ndarray, rate: int) -> float:
    """LUFS of float32 [T], T being 0.4 s at least."""
    import av

    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono")
    meter = graph.add("ebur128", "metadata=1:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="flt", layout="mono")
    frame.sample_rate = rate
    source.push(frame)
    source.push(None)
    found = _ABSOLUTE_GATE
    with contextlib.suppress(av.error.EOFError, av.error.BlockingIOError):  # there is no more
        while True:  # every 0.1 s has the figure of all before it; a shorter rest at the end has none
            found = float(sink.pull().metadata.get("lavfi.r128.I", found))
    return found
