"""What the decode loop asks of an LLM of CosyVoice, and what both of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kespeechchat.engines.tts.cosyvoice_batch.cache import Cache, Shape

if TYPE_CHECKING:
    import torch

LEAST, MOST = 2, 20  # speech tokens a text token, the library's defaults (`inference` of either LLM)


@dataclass(frozen=True)
class Prefix:
    """What a row begins with. `embedded`: [1, n, D]; the LLM may say from `least` to `most` speech tokens after it."""

    embedded: torch.Tensor
    least: int
    most: int


@dataclass(frozen=True)
class Prefilled:
    """A prefix after the LLM. `hidden`: [D] at its last position; `keys`, `values`: [heads, n, size] for each layer."""

    hidden: torch.Tensor
    keys: Sequence[torch.Tensor]
    values: Sequence[torch.Tensor]


class LanguageModel(Protocol):
    """One of CosyVoice's LLMs over the library's modules. `end`: the first token that is no speech; it ends a row."""

    end: int

    def shape(self) -> Shape:
        """What a position takes in the cache."""
        ...

    def prefix(self, inputs: Mapping[str, Any]) -> Prefix:
        """Of one row, from what the library's frontend makes for SFT, instructions or zero-shot."""
        ...

    def prefill(self, prefix: Prefix) -> Prefilled:
        """The LLM over the prefix of one row."""
        ...

    def step(self, tokens: torch.Tensor, cache: Cache) -> torch.Tensor:
        """Hidden states [B, D] after one more speech token (int64 [B]) in each active row of `cache`."""
        ...

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[B, tokens] of [B, D]."""
        ...


def text_and_prompt(inputs: Mapping[str, Any], device: torch.device) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Prompt text and text as one int64 [1, n]; the prompt's speech tokens int64 [1, m]; how many are the text's."""
    import torch

    nothing = torch.zeros(1, 0, dtype=torch.int64)
    text = inputs["text"].to(device, torch.int64)
    before = inputs.get("prompt_text", nothing).to(device, torch.int64)
    speech = inputs.get("llm_prompt_speech_token", nothing).to(device, torch.int64)
    return torch.cat([before, text], dim=1), speech, text.shape[1]


def start_of(llm: Any) -> int:
    """The row of `llm_embedding` that opens a sequence: `sos_eos` in older releases, `sos` in newer ones."""
    return int(llm.sos if hasattr(llm, "sos") else llm.sos_eos)
