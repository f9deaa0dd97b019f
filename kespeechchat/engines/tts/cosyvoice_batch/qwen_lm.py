"""Version 2's LLM, one position of many rows at a time: a Qwen 2 whose word head nobody reads, so it is not computed.

The layers are run here one by one over the modules of transformers' `Qwen2Model`, because its forward method keeps a
cache of its own and asks for masks of its own. Source of the layer: arXiv 2407.10671, section 2.2 (rotary positions,
grouped queries).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kespeechchat.engines.tts.cosyvoice_batch.cache import Cache, Shape
from kespeechchat.engines.tts.cosyvoice_batch.language_model import (
    LEAST,
    MOST,
    Prefilled,
    Prefix,
    start_of,
    text_and_prompt,
)

if TYPE_CHECKING:
    import torch


class QwenLMRows:
    """`cosyvoice.llm.llm.Qwen2LM` for many rows."""

    def __init__(self, llm: Any) -> None:
        self._llm, self._qwen = llm, llm.llm.model.model
        self._layers = list(self._qwen.layers)
        config = self._qwen.config
        self._heads, self._shared = int(config.num_attention_heads), int(config.num_key_value_heads)
        self._size = int(self._layers[0].self_attn.head_dim)
        self.end = int(llm.speech_token_size)
        self._dtype = llm.speech_embedding.weight.dtype

    def shape(self) -> Shape:
        return Shape(len(self._layers), self._shared, self._size, self._dtype, self._llm.speech_embedding.weight.device)

    def prefix(self, inputs: Mapping[str, Any]) -> Prefix:
        import torch

        llm, weight = self._llm, self._llm.llm_embedding.weight
        text, speech, count = text_and_prompt(inputs, weight.device)
        start, task = weight[start_of(llm)].reshape(1, 1, -1), weight[llm.task_id].reshape(1, 1, -1)
        embedded = torch.cat([start, self._qwen.embed_tokens(text), task, llm.speech_embedding(speech)], dim=1)
        return Prefix(embedded, count * LEAST, count * MOST)

    def prefill(self, prefix: Prefix) -> Prefilled:
        import torch
        from torch.nn import functional

        hidden, all_keys, all_values = prefix.embedded, [], []
        count = hidden.shape[1]
        turn = self._turn(hidden, torch.arange(count, device=hidden.device)[None])
        for layer in self._layers:
            query, keys, values = self._project(layer, hidden, turn)
            all_keys.append(keys[0])
            all_values.append(values[0])
            heard = functional.scaled_dot_product_attention(query, keys, values, is_causal=True, enable_gqa=True)
            hidden = self._finish(layer, hidden, heard.transpose(1, 2).reshape(1, count, -1))
        self._dtype = all_keys[0].dtype
        return Prefilled(self._qwen.norm(hidden)[0, -1], all_keys, all_values)

    def step(self, tokens: torch.Tensor, cache: Cache) -> torch.Tensor:
        import torch

        cache.advance()
        hidden = self._llm.speech_embedding(tokens)[:, None]
        newest = torch.tensor(cache.lengths, device=hidden.device)[:, None] - 1
        turn, mask = self._turn(hidden, newest), cache.mask()
        missing = None if mask is None else ~mask[:, None, None]
        for number, layer in enumerate(self._layers):
            query, keys, values = self._project(layer, hidden, turn)
            keys, values = cache.write(number, keys[:, :, 0], values[:, :, 0])
            hidden = self._finish(layer, hidden, self._attend(query, keys, values, missing))
        normed: torch.Tensor = self._qwen.norm(hidden)
        return normed[:, 0]

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self._llm.llm_decoder(hidden)
        return scores

    def _turn(self, like: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines [B, 1, T, size] of the rotary positions `places` [B, T]."""
        cos, sin = self._qwen.rotary_emb(like, places)
        return cos[:, None], sin[:, None]

    def _project(
        self, layer: Any, hidden: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries [B, heads, T, size], keys and values [B, shared heads, T, size] of `hidden` [B, T, D]."""
        attention, normed = layer.self_attn, layer.input_layernorm(hidden)
        rows, count = hidden.shape[:2]
        query, keys, values = (
            part(normed).view(rows, count, -1, self._size).transpose(1, 2)
            for part in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        return _turned(query, turn), _turned(keys, turn), values

    def _attend(
        self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, missing: torch.Tensor | None
    ) -> torch.Tensor:
        """[B, 1, heads x size] of one query a row; the queries of a group share their keys without a copy of them."""
        import torch

        rows = len(query)
        grouped = query.reshape(rows, self._shared, self._heads // self._shared, self._size)
        scores = torch.matmul(grouped, keys.transpose(2, 3)) / math.sqrt(self._size)
        if missing is not None:
            scores = scores.masked_fill(missing, -math.inf)
        return torch.matmul(scores.softmax(dim=-1), values).reshape(rows, 1, -1)

    def _finish(self, layer: Any, hidden: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        hidden = hidden + layer.self_attn.o_proj(heard)
        out: torch.Tensor = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return out


def _turned(states: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotary positions applied to `states` [B, heads, T, size]."""
    import torch

    first, second = states.chunk(2, dim=-1)
    return states * turn[0] + torch.cat([-second, first], dim=-1) * turn[1]
