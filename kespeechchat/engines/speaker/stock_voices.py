"""The voices that a server has by name, as voices for a library: each is heard once, in one sentence.

An embedding has a weight for each voice (`engines.tts.openai`). A real person's is the voice most like them by the
x-vector of the mining encoder; a library of several voices takes them from the table (`blending.spread`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kespeechchat.config.engines import StockVoicesSettings
from kespeechchat.engines import EngineError, registry
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.speaker import ManyVoices, TTSEmbedder, VoiceTable
from kespeechchat.engines.tts import Utterance
from kespeechchat.records import Audio, Gender, Language, RowError
from kespeechchat.text.error_rate import characters

_SEED = 0  # of the sentence by which a voice is known


@dataclass(frozen=True)
class _Heard:
    """One stock voice in one language. `weights` float32 [N], `xvector` float32 [D]; `rate`: seconds per character."""

    language: Language
    gender: Gender
    weights: Float32
    xvector: Float32
    rate: float


class ServersVoices(TTSEmbedder, ManyVoices):
    """Building it asks the server for its voices; the first use lets each of them speak."""

    deterministic = False

    def __init__(self, settings: StockVoicesSettings) -> None:
        self._settings = settings
        self._tts, self._encoder = registry.load(settings.tts), registry.load(settings.speaker)
        self.size = self._tts.embedding_size
        self._heard: list[_Heard] | None = None
        self._hearing = threading.Lock()

    def identity(self) -> dict[str, str]:
        return {**self._tts.identity(), **{f"speaker.{k}": v for k, v in self._encoder.identity().items()}}

    def voices(self, language: Language, gender: Gender) -> VoiceTable:
        """Of a language and gender: weights float32 [n, N], x-vectors [n, D], rates [n]."""
        own = [voice for voice in self._all() if (voice.language, voice.gender) == (language, gender)]
        rates = np.array([voice.rate for voice in own], dtype=np.float32)
        return VoiceTable(_stacked([v.weights for v in own]), _stacked([v.xvector for v in own]), rates)

    def embed(
        self,
        audios: Sequence[Audio],
        xvectors: Sequence[Float32],
        language: Language | None = None,
        genders: Sequence[Gender] | None = None,
    ) -> list[Float32 | RowError]:
        """Float32 [N] per utterance: the voice nearest to its x-vector (`audios` are not heard), of the clip's language
        and gender where the server has one of them. EngineError where another encoder made the x-vectors."""
        given = genders or ["unknown"] * len(xvectors)
        return [self._nearest(x, language, gender) for x, gender in zip(xvectors, given, strict=True)]

    def _nearest(self, xvector: Float32, language: Language | None, gender: Gender) -> Float32 | RowError:
        own = [voice for voice in self._all() if language in (None, voice.language) and voice.gender == gender]
        own = own or [voice for voice in self._all() if language in (None, voice.language)]
        if not own:
            return RowError(f"the server has no voice of {language}")
        if xvector.shape != own[0].xvector.shape:
            raise EngineError(
                f"embedder.speaker hears vectors of size {len(own[0].xvector)}, and stages.clips.speaker gives "
                f"{len(xvector)}: name the same engine in both"
            )
        return max(own, key=lambda voice: float(voice.xvector @ xvector)).weights

    def _all(self) -> list[_Heard]:
        with self._hearing:
            if self._heard is None:
                self._heard = self._hear()
            return self._heard

    def _hear(self) -> list[_Heard]:
        """Every voice in every language that it speaks. Raises EngineError that names one that does not speak."""
        asked = [
            (language, gender, name, self._tts.style({name: 1.0}))  # type: ignore[attr-defined]
            for language, genders in self._settings.tts.voices.items()
            for gender, names in genders.items()
            for name in names
        ]
        said = self._settings.sentences
        audios = self._tts.speak([Utterance(said[lang], lang, weights, _SEED) for lang, _, _, weights in asked])
        spoken = [audio for audio in audios if isinstance(audio, Audio)]
        if len(spoken) < len(audios):
            name, error = next((a[2], x.message) for a, x in zip(asked, audios, strict=True) if isinstance(x, RowError))
            raise EngineError(f"embedder.tts: voice {name!r} does not speak: {error}")
        heard = []
        for (language, gender, name, weights), audio, xvector in zip(
            asked, spoken, self._encoder.xvectors(spoken), strict=True
        ):
            if isinstance(xvector, RowError):
                raise EngineError(f"embedder.speaker: voice {name!r} cannot be heard: {xvector.message}")
            rate = audio.seconds / characters(said[language], language)
            heard.append(_Heard(language, gender, weights, xvector, rate))
        return heard


def _stacked(vectors: Sequence[Float32]) -> Float32:
    """Float32 [n, D]."""
    return np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32)
