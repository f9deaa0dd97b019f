"""Version 1's velocity estimator over padded rows, and with less to do than the library's on equal ones.

`cosyvoice.flow.decoder.ConditionalDecoder` normalizes groups of channels over time (`GroupNorm`), so frames of padding
change every other frame. Here mean and variance are taken over a row's own frames. Where no row is padded, no mask is
made, added or multiplied with. Weights and modules are the library's; its queries, keys and values are one product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Estimator:
    """Called as the library's estimator: [2B, 80, T] noise, mask [2B, 1, T], mu, times [2B], voices [2B, 80], known."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._joined: dict[int, torch.Tensor] = {}  # by block: the weights of its queries, keys and values

    def __call__(
        self,
        state: torch.Tensor,
        mask: torch.Tensor,
        mu: torch.Tensor,
        times: torch.Tensor,
        voice: torch.Tensor,
        known: torch.Tensor,
    ) -> torch.Tensor:
        import torch

        decoder, frames = self._decoder, state.shape[2]
        masks: list[torch.Tensor | None] = [None if bool(mask.all()) else mask]
        time = decoder.time_mlp(decoder.time_embeddings(times).to(times.dtype))
        hidden = torch.cat([state, mu, voice[:, :, None].expand(-1, -1, frames), known], dim=1)
        skips = []
        for resnet, blocks, smaller in decoder.down_blocks:
            hidden = self._transformed(blocks, _resnet(resnet, hidden, masks[-1], time), masks[-1])
            skips.append(hidden)
            hidden = smaller(_masked(hidden, masks[-1]))
            masks.append(None if masks[-1] is None else masks[-1][:, :, ::2])
        masks.pop()
        for resnet, blocks in decoder.mid_blocks:
            hidden = self._transformed(blocks, _resnet(resnet, hidden, masks[-1], time), masks[-1])
        for resnet, blocks, larger in decoder.up_blocks:
            inside, skip = masks.pop(), skips.pop()
            hidden = torch.cat([hidden[:, :, : skip.shape[2]], skip], dim=1)
            hidden = self._transformed(blocks, _resnet(resnet, hidden, inside, time), inside)
            hidden = larger(_masked(hidden, inside))
        hidden = _block(decoder.final_block, hidden, inside)
        return _masked(decoder.final_proj(hidden), inside)

    def _transformed(self, blocks: Any, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """[2B, C, T] after transformer blocks, in which no frame hears padding."""
        states = hidden.transpose(1, 2).contiguous()
        heard = None if mask is None else mask.bool()[:, None]
        for block in blocks:
            states = self._attend(block, states, heard)
            states = states + block.ff(block.norm3(states))
        return states.transpose(1, 2).contiguous()

    def _attend(self, block: Any, states: torch.Tensor, heard: torch.Tensor | None) -> torch.Tensor:
        """`states` [2B, T, C] plus its self-attention. `heard`: boolean [2B, 1, 1, T] or None."""
        import torch
        from torch.nn import functional

        attention = block.attn1
        if id(block) not in self._joined:
            parts = (attention.to_q, attention.to_k, attention.to_v)
            self._joined[id(block)] = torch.cat([part.weight for part in parts])
        rows, frames, _ = states.shape
        mixed = functional.linear(block.norm1(states), self._joined[id(block)])
        query, keys, values = mixed.view(rows, frames, 3, attention.heads, -1).permute(2, 0, 3, 1, 4)
        out = functional.scaled_dot_product_attention(query, keys, values, attn_mask=heard)
        added: torch.Tensor = attention.to_out[0](out.transpose(1, 2).reshape(rows, frames, -1))
        return states + added


def _resnet(resnet: Any, hidden: torch.Tensor, mask: torch.Tensor | None, time: torch.Tensor) -> torch.Tensor:
    inner = _block(resnet.block1, hidden, mask) + resnet.mlp(time)[:, :, None]
    out: torch.Tensor = _block(resnet.block2, inner, mask) + resnet.res_conv(_masked(hidden, mask))
    return out


def _block(block: Any, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Convolution, norm over a row's own frames, activation: `Block1D` of Matcha-TTS."""
    convolution, norm, activation = block.block
    if mask is None:
        out: torch.Tensor = block.block(hidden)
        return out
    normed = group_norm(convolution(hidden * mask), mask, norm)
    return _masked(activation(normed), mask)


def group_norm(hidden: torch.Tensor, mask: torch.Tensor, norm: Any) -> torch.Tensor:
    """`norm` (a GroupNorm) of `hidden` [B, C, T] with mean and variance over the frames that `mask` [B, 1, T] keeps."""
    rows, channels, frames = hidden.shape
    grouped = hidden.float().view(rows, norm.num_groups, -1, frames)
    kept = mask.float()[:, None]  # [B, 1, 1, T]
    count = kept.sum(dim=(2, 3), keepdim=True) * grouped.shape[2]
    centered = grouped - (grouped * kept).sum(dim=(2, 3), keepdim=True) / count
    variance = ((centered * kept) ** 2).sum(dim=(2, 3), keepdim=True) / count
    normed = (centered * (variance + norm.eps).rsqrt()).view(rows, channels, frames).to(hidden.dtype)
    scaled: torch.Tensor = normed * norm.weight[:, None] + norm.bias[:, None]
    return scaled


def _masked(hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return hidden if mask is None else hidden * mask
