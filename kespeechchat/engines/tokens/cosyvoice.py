"""CosyVoice's LLM without its flow and vocoder: a text becomes the speech tokens that its voice would be made of.

Sources: Du et al., arXiv 2407.05407 (version 1, 50 tokens a second) and arXiv 2412.10117 (version 2, 25).

The tokens are those that `engines.tts`, `use: cosyvoice` with a batch speaks from, for the same text, voice, seed and
settings. Audio becomes tokens of the same codebook by the speech tokenizer in the same folder (`tokens.s3`), which is
loaded when the first audio comes. Version 1's LLM hears the voice's embedding (modes sft and zero_shot); version 2's
takes none, so there in mode sft only the seed tells two voices apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, cast

import numpy as np

from kespeechchat.config.engines import CosyVoiceTokensSettings, S3TokensSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Int32
from kespeechchat.engines.tokens import Tokens
from kespeechchat.engines.tokens.s3 import S3Tokens
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.cosyvoice_batch.saying import BatchSayer
from kespeechchat.engines.tts.cosyvoice_codebook import speech_tokenizer
from kespeechchat.engines.tts.cosyvoice_model import CosyVoiceModel
from kespeechchat.records import Audio, RowError

_RATES = (50, 25)  # tokens a second


class CosyVoiceTokens(CosyVoiceModel, Tokens):
    """One codebook: 4,096 tokens, 50 a second (version 1), or 6,561, 25 a second (version 2)."""

    codebooks = 1

    def __init__(self, settings: CosyVoiceTokensSettings) -> None:
        """Raises EngineError where the library, its code or the model folder is not what this needs."""
        super().__init__(settings)
        # the same seed on a GPU, or among other rows: alike, not bit for bit
        self.deterministic = self._device == "cpu" and settings.batch == 1
        self._heard_by = ear_settings(settings)
        self.rate, self.size = float(self._heard_by.rate), self._heard_by.size
        del self._model.flow, self._model.hift  # a third of the memory, for what is never heard
        self._sayer = BatchSayer(self._model, self._limits(), self._watch.beat)

    def tokens_of_text(self, utterances: Sequence[Utterance]) -> list[Int32 | RowError]:
        """Per utterance int32 [1, n], all of them decoded together. Raises and refuses what `CosyVoice.speak` does;
        `speed` has no say, because it stretches what the flow makes."""
        return self._batched(utterances, self._sayer.say, lambda parts: np.concatenate(parts).astype(np.int32)[None])

    def tokens(self, audios: Sequence[Audio]) -> list[Int32 | RowError]:
        """As `S3Tokens.tokens`, by the tokenizer in the model folder."""
        return self._ear.tokens(audios)

    @cached_property
    def _ear(self) -> S3Tokens:
        return S3Tokens(self._heard_by)


def ear_settings(settings: CosyVoiceTokensSettings) -> S3TokensSettings:
    """Settings of the engine that makes tokens of audio as that of `settings` does, and loads nothing else. Raises
    EngineError where the folder or its YAML is missing, or names a rate that no version has."""
    tokenizer = speech_tokenizer(settings)
    if tokenizer.rate not in _RATES:
        raise EngineError(
            f"engines.tokens, use: cosyvoice: the flow of {settings.model!r} takes {tokenizer.rate} tokens a second; "
            f"known are {', '.join(map(str, _RATES))}"
        )
    return S3TokensSettings(
        use="s3",
        model=str(tokenizer.file),
        rate=cast(Literal[50, 25], tokenizer.rate),
        size=tokenizer.size,
        threads=settings.threads,
    )
