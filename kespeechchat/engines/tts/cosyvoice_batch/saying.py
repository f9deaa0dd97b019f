"""What the LLM says of utterances in a batch: speech tokens, before anything is heard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kespeechchat.engines import EngineError
from kespeechchat.engines.tts.cosyvoice_batch import library_code
from kespeechchat.engines.tts.cosyvoice_batch.decoding import Ask, Limits, decode
from kespeechchat.engines.tts.cosyvoice_batch.language_model import LanguageModel
from kespeechchat.engines.tts.cosyvoice_batch.qwen_lm import QwenLMRows
from kespeechchat.engines.tts.cosyvoice_batch.sampling import Choice, RepetitionAware
from kespeechchat.engines.tts.cosyvoice_batch.transformer_lm import TransformerLMRows
from kespeechchat.records import RowError

if TYPE_CHECKING:
    import torch

_LLMS: dict[str, Callable[[Any], LanguageModel]] = {"TransformerLM": TransformerLMRows, "Qwen2LM": QwenLMRows}


@dataclass(frozen=True)
class Piece:
    """A part of an utterance that is spoken as a whole.

    `inputs`: of the library's `frontend_sft`, `frontend_instruct` or `frontend_zero_shot`. `seed`: pieces with
    other seeds draw other numbers.
    """

    inputs: Mapping[str, Any]
    seed: tuple[int, ...]
    speed: float = 1.0

    def part_seed(self, part: int) -> int:
        """A seed for flow (0) or vocoder (1)."""
        return int(np.random.SeedSequence([*self.seed, 1 + part]).generate_state(1)[0])


class BatchSayer:
    """The LLM with continuous batching. It needs neither the flow nor the vocoder of its model."""

    def __init__(self, model: Any, limits: Limits, beat: Callable[[], None] = lambda: None) -> None:
        """`model`: the library's CosyVoiceModel or CosyVoice2Model.

        Raises EngineError for a version of the library that this was not tested with.
        """
        library_code.check()
        self._model, self._limits, self._beat = model, limits, beat
        kind = type(model.llm).__name__
        if kind not in _LLMS:
            raise EngineError(f"batches know CosyVoice's {', '.join(_LLMS)}, not {kind}: to speak, set batch: 1")
        self.llm, self.choose = _LLMS[kind](model.llm), RepetitionAware.of(model.llm)

    def say(self, pieces: Sequence[Piece]) -> list[list[int] | RowError]:
        """Speech tokens of each piece, by the model's own sampling; a RowError for a piece that fails. Raises what
        `limits` call fatal."""
        with self._precision():
            return self.tokens(pieces, self.choose)

    def tokens(self, pieces: Sequence[Piece], choose: Choice) -> list[list[int] | RowError]:
        """Speech tokens of each piece, chosen by `choose`."""
        asks = [Ask(piece.inputs, [*piece.seed, 0]) for piece in pieces]
        return decode(self.llm, asks, choose, self._limits, self._beat)

    def _precision(self) -> torch.autocast:
        """Half precision where the library was told to use it."""
        import torch

        return torch.autocast("cuda", enabled=bool(self._model.fp16))
