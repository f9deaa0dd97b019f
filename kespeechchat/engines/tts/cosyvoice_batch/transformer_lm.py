"""Version 1's LLM, one position of many rows at a time: a transformer encoder with relative positions.

The library projects the encodings of all relative positions again at every token and layer; they depend on the distance
alone, so here they are projected once (layers x D numbers a distance). Prefixes run through the library's own code.
Attention with relative positions: Dai et al., arXiv 1901.02860, section 3.3.
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

_DISTANCES = 512  # how many more are projected at once


class TransformerLMRows:
    """`cosyvoice.llm.llm.TransformerLM` for many rows."""

    def __init__(self, llm: Any) -> None:
        self._llm, self._encoder = llm, llm.llm
        self._layers = list(llm.llm.encoders)
        self.end = int(llm.speech_token_size)
        self._positions: list[torch.Tensor] = []  # [heads, size, distances] for each layer, the nearest last
        self._dtype = llm.speech_embedding.weight.dtype

    def shape(self) -> Shape:
        attention = self._layers[0].self_attn
        weight = self._llm.speech_embedding.weight
        return Shape(len(self._layers), attention.h, attention.d_k, self._dtype, weight.device)

    def prefix(self, inputs: Mapping[str, Any]) -> Prefix:
        import torch
        from torch.nn import functional

        llm, weight = self._llm, self._llm.llm_embedding.weight
        text, speech, count = text_and_prompt(inputs, weight.device)
        encoded, _ = llm.encode(llm.text_embedding(text), torch.tensor([text.shape[1]], device=weight.device))
        parts = [weight[start_of(llm)].reshape(1, 1, -1)]
        embedding = inputs.get("llm_embedding")
        if embedding is not None and embedding.shape[0]:
            voice = functional.normalize(embedding.to(weight.device, weight.dtype), dim=1)
            parts.append(llm.spk_embed_affine_layer(voice)[:, None])
        parts += [encoded, weight[llm.task_id].reshape(1, 1, -1), llm.speech_embedding(speech)]
        return Prefix(torch.cat(parts, dim=1), count * LEAST, count * MOST)

    def prefill(self, prefix: Prefix) -> Prefilled:
        import torch

        given, device = prefix.embedded, prefix.embedded.device
        nothing = torch.zeros((0, 0, 0, 0), device=device)
        causal = torch.ones((1, given.shape[1], given.shape[1]), device=device).tril().bool()
        hidden, cache, _ = self._encoder.forward_chunk(given, 0, -1, nothing, nothing, causal)
        self._dtype = cache.dtype
        keys, values = cache.chunk(2, dim=-1)
        return Prefilled(hidden[0, -1], list(keys), list(values))

    def step(self, tokens: torch.Tensor, cache: Cache) -> torch.Tensor:
        cache.advance()
        embed = self._encoder.embed
        hidden: torch.Tensor = embed.out(self._llm.speech_embedding(tokens)) * embed.pos_enc.xscale
        positions, missing = self._distances(cache.span), cache.mask()
        missing = None if missing is None else ~missing[:, None]
        for number, layer in enumerate(self._layers):
            hidden = hidden + self._attend(number, layer.norm1(hidden), cache, positions[number], missing)
            hidden = hidden + layer.feed_forward(layer.norm2(hidden))
        normed: torch.Tensor = self._encoder.after_norm(hidden)
        return normed

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self._llm.llm_decoder(hidden)
        return scores

    def _attend(
        self, number: int, hidden: torch.Tensor, cache: Cache, positions: torch.Tensor, missing: torch.Tensor | None
    ) -> torch.Tensor:
        """[B, D] of [B, D]. `positions`: [heads, size, distances]; `missing`: boolean [B, 1, span] or None."""
        import torch

        attention = self._layers[number].self_attn
        rows, heads, size = len(hidden), attention.h, attention.d_k
        query = attention.linear_q(hidden).view(rows, heads, size)
        keys, values = cache.write(
            number,
            attention.linear_k(hidden).view(rows, heads, size),
            attention.linear_v(hidden).view(rows, heads, size),
        )
        by_content = torch.matmul((query + attention.pos_bias_u)[:, :, None], keys.transpose(2, 3))[:, :, 0]
        by_distance = torch.matmul((query + attention.pos_bias_v).transpose(0, 1), positions[:, :, -cache.span :])
        scores = (by_content + by_distance.transpose(0, 1)) / math.sqrt(size)  # [B, heads, span]
        if missing is not None:
            scores = scores.masked_fill(missing, -math.inf)
        heard = torch.matmul(scores.softmax(dim=-1)[:, :, None], values)  # [B, heads, 1, size]
        out: torch.Tensor = attention.linear_out(heard.reshape(rows, heads * size))
        return out

    def _distances(self, span: int) -> list[torch.Tensor]:
        """For each layer [heads, size, at least `span`]: the last column is distance 0, the one before 1."""
        import torch

        if not self._positions or self._positions[0].shape[2] < span:
            wanted = -(-span // _DISTANCES) * _DISTANCES
            encoding, weight = self._encoder.embed.pos_enc, self._llm.speech_embedding.weight
            encoding.extend_pe(torch.zeros(1, wanted, 1, dtype=weight.dtype, device=weight.device))
            farthest_first = encoding.position_encoding(0, wanted)[0, :wanted]
            self._positions = [
                layer.self_attn.linear_pos(farthest_first)
                .view(wanted, layer.self_attn.h, -1)
                .permute(1, 2, 0)
                .contiguous()
                for layer in self._layers
            ]
        return self._positions
