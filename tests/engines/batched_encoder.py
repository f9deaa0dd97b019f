"""What every speaker encoder promises that takes clips of one length together: a test class to inherit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kespeechchat.engines.speaker import SpeakerEncoder
from kespeechchat.records import RowError
from kespeechchat.waveform import resample
from tests.engines.tones import unusable, voice


class BatchedEncoder:
    """`load(folder, **settings)` gives the encoder; fixtures `folder` and `engine` are those of the test's own file."""

    load: Callable[..., SpeakerEncoder]

    def test_batch_and_order_change_nothing(self, folder):
        audios = [voice(s, seed=i) for i, s in enumerate((0.4, 1.0, 2.03, 1.0, 1.02, 0.77, 2.0))]
        alone = [self.load(folder, batch=1).xvectors([a])[0] for a in audios]
        together = self.load(folder, batch=4).xvectors(audios)
        backwards = self.load(folder, batch=3).xvectors(audios[::-1])[::-1]
        np.testing.assert_allclose(together, alone, atol=1e-4)
        np.testing.assert_allclose(backwards, alone, atol=1e-4)
        assert len({v.tobytes() for v in alone}) == len(audios)

    def test_other_rates_are_resampled(self, engine):
        audio = voice(1.5, rate=24_000)
        np.testing.assert_allclose(*engine.xvectors([audio, resample(audio, 16_000)]), atol=1e-5)

    def test_what_cannot_be_embedded_fails_alone(self, engine):
        good = voice(1.0)
        out = engine.xvectors([*unusable(), voice(0.39), good])
        assert [isinstance(x, RowError) for x in out] == [True] * 6 + [False]
        assert "0.4 s" in out[5].message
        np.testing.assert_allclose(out[6], engine.xvectors([good])[0], atol=1e-4)
