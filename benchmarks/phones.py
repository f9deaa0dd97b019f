"""CMU's PocketSphinx as a judge of what is said in English speech: a recognizer of Gaussian mixtures on cepstra.

    pip install pocketsphinx==5.1.1     # its models are in the package (BSD-2-Clause)

It shares neither code nor training with Whisper, so it had no part in tokens that Whisper's encoder makes. It is a weak
recognizer, and the same one for everything that is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kespeechchat.records import Audio
from kespeechchat.waveform import resample

_RATE = 16_000  # Hz
_FRAMES = 100  # a second
_NO_SPEECH = {"SIL", "+SPN+", "+NSN+"}


@dataclass(frozen=True)
class Phone:
    """A phone of CMU's dictionary (ARPAbet without stress), from `start` to `end` in seconds of its utterance."""

    name: str
    start: float
    end: float


class Judge:
    """PocketSphinx's American English, with its narrow beams (maxhmmpf 3000, maxwpf 5, ds 2)."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        """`words`: of the only vocabulary it hears, in any order; empty: its own language model. Raises SystemExit
        where the package is missing."""
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise SystemExit(f"the judge needs PocketSphinx ({error}): pip install pocketsphinx==5.1.1") from None
        self._decoder: Any = Decoder(samprate=_RATE, loglevel="FATAL", maxhmmpf=3000, maxwpf=5, ds=2)
        if words:
            self._decoder.add_jsgf_string("words", f"#JSGF V1.0; grammar g; public <s> = ( {' | '.join(words)} )+ ;")
            self._decoder.activate_search("words")

    def words(self, audio: Audio) -> list[str]:
        """The words it hears."""
        self._hear(_pcm(audio))
        found = self._decoder.hyp()
        return str(found.hypstr).split() if found is not None else []

    def phones(self, audio: Audio) -> list[Phone]:
        """The phones of the words it hears, without silence and noise."""
        self._decoder.activate_search()
        samples = _pcm(audio)
        self._hear(samples)
        if self._decoder.hyp() is None:
            return []
        self._decoder.set_alignment()
        self._hear(samples)
        phones = [phone for word in self._decoder.get_alignment() for phone in word]
        return [
            Phone(p.name, p.start / _FRAMES, (p.start + p.duration) / _FRAMES)
            for p in phones
            if p.name not in _NO_SPEECH
        ]

    def _hear(self, samples: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(samples, full_utt=True)
        self._decoder.end_utt()


def _pcm(audio: Audio) -> bytes:
    samples = np.rint(np.clip(resample(audio, _RATE).samples, -1, 1) * 32767)
    return samples.astype(np.int16).tobytes()
