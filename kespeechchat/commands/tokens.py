"""What the layout `interleaved` is made with: the tokens engine of the profile's `interleave`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kespeechchat.config.engines import CosyVoiceTokensSettings, TokensSettings
from kespeechchat.config.interleave import Interleave
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.tokens.cosyvoice import ear_settings
from kespeechchat.engines.tokens.s3 import S3Tokens
from kespeechchat.records import Audio, RowError
from kespeechchat.state.codebooks import unfitted, with_codebooks
from kespeechchat.state.model_digests import with_model_digests


class TurnTokens:
    """A `TokenReader` of the profile's engine, of which it loads what makes tokens of audio."""

    def __init__(self, pipeline: Pipeline, interleave: Interleave) -> None:
        self.name = interleave.stages.interleaved.tokens
        try:
            self._engine = load(_hearing(pipeline.engine("tokens", self.name)))
        except EngineError as error:
            raise ConfigError(f"engines.tokens.{self.name}: {error}") from None
        self.rate, self.codebooks, self.size = self._engine.rate, self._engine.codebooks, self._engine.size
        self.codebook = self._engine.codebook if isinstance(self._engine, S3Tokens) else None
        spans, self.marks, self.seed = interleave.stages.spans, interleave.marks, pipeline.seed
        self.ratio, self.mean_words = spans.ratio, spans.mean_words
        self.settings = {
            "tokens": pipeline.relevant_to("interleaved", None)["named"][f"tokens:{self.name}"],
            "spans": spans.relevant(),
            "marks": self.marks.model_dump(),
            "seed": self.seed,
        }

    def tokens(self, audios: Sequence[Audio]) -> list[npt.NDArray[np.int32] | RowError]:
        """Per utterance its tokens, int32 [codebooks, n], or what is wrong with it."""
        found: list[npt.NDArray[np.int32] | RowError] = self._engine.tokens(audios)
        return found

    def vocabulary(self) -> dict[str, Any]:
        """The marks, how many tokens there are, and what made them."""
        size = {"codebooks": self.codebooks, "size": self.size, "frames_per_second": self.rate}
        return {**self.marks.model_dump(), **size, "engine": self.name, "identity": self._engine.identity()}


def _hearing(settings: TokensSettings) -> TokensSettings:
    """Of an engine that also says texts as tokens, what makes tokens of audio: a small part of it."""
    return ear_settings(settings) if isinstance(settings, CosyVoiceTokensSettings) else settings


def tokens_reader(pipeline: Pipeline) -> TurnTokens | None:
    """None where the profile has no `interleave`. Raises ConfigError where its codebook is still to be fitted."""
    if pipeline.interleave is None:
        return None
    name = pipeline.interleave.stages.interleaved.tokens
    if unfitted(pipeline, name):
        raise ConfigError(
            f"engines.tokens.{name}: no codebook is fitted yet: run `kesc interleave` in this ROOT once, which fits "
            "it, or name one in `centroids`"
        )
    return TurnTokens(with_model_digests(with_codebooks(pipeline)), pipeline.interleave)
