"""Perth (Resemble AI), implicit: a mark of presence, with no payload, in the spectrum under 2 kHz.

Its network works at 32 kHz. What is added to the audio is the *difference* that it makes, brought back to the audio's
own rate: so length, rate and everything above the mark's band stay as they were, and the up to 319 samples (10 ms)
that its transform leaves off at the end are simply unmarked.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from kespeechchat.config.engines import PerthSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.watermark import Detection, Watermark
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import defect, resample

_SHORTEST = 0.1  # s; the transform's own window is 64 ms


class Perth(Watermark):
    """Marks and finds marks, an utterance at a time: no result depends on its batch."""

    deterministic = True
    payload_bits = 0

    def __init__(self, settings: PerthSettings) -> None:
        self._threads = settings.threads
        with _quiet():
            try:
                from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker
            except ImportError as e:
                raise EngineError(
                    f"watermark.use: perth cannot be imported ({e}): pip install resemble-perth 'setuptools<81'"
                ) from e
            self._net = PerthImplicitWatermarker().perth_net.eval()
        self._rate = int(self._net.hp.sample_rate)

    def identity(self) -> dict[str, str]:
        """The network that comes with the package, and the versions of the libraries."""
        return {
            "model": "resemble-perth:implicit/perth_net_250000",
            "resemble-perth": version("resemble-perth"),
            "torch": version("torch"),
        }

    def embed(self, audios: Sequence[Audio], payload: str | None = None) -> list[Audio | RowError]:
        """The same audio, marked, clipped to ±1. An utterance that is empty, broken, silent or under 0.1 s cannot
        carry a mark and is a RowError. Raises EngineError for any `payload`."""
        if payload is not None:
            raise EngineError(
                f"watermark payload {payload!r}: Perth marks presence only and carries no payload; "
                "leave it out or choose an engine that carries one"
            )
        with self._torch():
            return [defect(audio, _SHORTEST) or self._embed(audio) for audio in audios]

    def detect(self, audios: Sequence[Audio]) -> list[Detection | RowError]:
        """Confidence 0..1 that each utterance is marked; a silent one scores 0. Empty, broken or under 0.1 s:
        RowError."""
        with self._torch():
            return [defect(audio, _SHORTEST) or self._detect(audio) for audio in audios]

    def _embed(self, audio: Audio) -> Audio | RowError:
        import torch

        inner = torch.from_numpy(resample(audio, self._rate).samples)
        magnitude, phase = self._net.ap.signal_to_magphase(inner)
        if not _has_sound(inner):
            return RowError("audio is silent: there is nothing to hide a watermark in")
        marked, _ = self._net.encoder(magnitude[None])
        before = self._net.ap.magphase_to_signal(magnitude, phase)
        change = (self._net.ap.magphase_to_signal(marked[0], phase) - before).numpy()
        return Audio(_added(audio, resample(Audio(change, self._rate), audio.sample_rate).samples), audio.sample_rate)

    def _detect(self, audio: Audio) -> Detection:
        import torch

        inner = torch.from_numpy(resample(audio, self._rate).samples)
        if not _has_sound(inner):
            return Detection(0.0)
        magnitude, _ = self._net.ap.signal_to_magphase(inner)
        return Detection(float(self._net.decoder(magnitude[None])[0].clip(0.0, 1.0)))

    @contextlib.contextmanager
    def _torch(self) -> Iterator[None]:
        """No gradients, and this engine's thread count for as long as it works: torch has one for the process."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(before)


def _has_sound(samples: Any) -> bool:
    """Of torch float32 [T]."""
    return bool(samples.abs().max() > 0)


def _added(audio: Audio, change: Float32) -> Float32:
    """Float32 [T]: the audio with `change` added from its start, as far as `change` reaches."""
    out = np.array(audio.samples, dtype=np.float32)
    reach = min(len(out), len(change))
    out[:reach] += change[:reach]
    return np.clip(out, -1.0, 1.0)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Perth prints its training step when it loads, and pkg_resources warns of its own end."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
