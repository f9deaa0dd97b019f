"""Repetition-aware sampling of the next speech token for many rows, each with random numbers of its own.

The rule is that of `cosyvoice.utils.common.ras_sampling` at ace7c47 (after VALL-E 2, arXiv 2406.05370, section 3.3):
draw from the likeliest tokens; where the drawn one came too often lately, draw again from all others. Two uniform
numbers a row and step decide, drawn whether needed or not, so what a row draws depends on its own generator alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kespeechchat.engines import EngineError

if TYPE_CHECKING:
    import torch


@dataclass
class Speaking:
    """A row under way: the `tokens` said so far, at least `least` and at most `most`, and its generator."""

    least: int
    most: int
    draws: np.random.Generator
    tokens: list[int] = field(default_factory=list)


class Choice(Protocol):
    """How the next tokens are chosen."""

    def __call__(self, logits: torch.Tensor, rows: Sequence[Speaking], end: int) -> list[int]:
        """One token for each of `rows` from `logits` [B, tokens]; not `end` where a row is shorter than its least."""
        ...


@dataclass(frozen=True)
class RepetitionAware:
    """The library's sampling. `top_p`, `top_k`: how many of the likeliest; a token that is a share of `tau_r` or more
    of the last `win_size` is drawn anew from the others."""

    top_p: float
    top_k: int
    win_size: int
    tau_r: float

    @classmethod
    def of(cls, llm: Any) -> RepetitionAware:
        """As the model's YAML sets it. Raises EngineError where it names another sampling."""
        sampling = llm.sampling
        if getattr(getattr(sampling, "func", None), "__name__", None) != "ras_sampling":
            raise EngineError(f"batches know CosyVoice's ras_sampling alone, the model's YAML has {sampling}: batch: 1")
        return cls(**{"top_p": 0.8, "top_k": 25, "win_size": 10, "tau_r": 0.1, **sampling.keywords})

    def __call__(self, logits: torch.Tensor, rows: Sequence[Speaking], end: int) -> list[int]:
        import torch

        shares = allowed(logits, rows, end).softmax(dim=-1)
        uniform = torch.from_numpy(np.stack([row.draws.random(2) for row in rows])).to(logits.device)
        likeliest, tokens = shares.topk(min(self.top_k, shares.shape[1]), dim=-1)
        before = likeliest.cumsum(-1) - likeliest
        places = _drawn(likeliest.masked_fill(before >= self.top_p, 0), uniform[:, 0])
        chosen: list[int] = tokens.gather(1, places[:, None])[:, 0].tolist()
        again = [n for n, row in enumerate(rows) if self._repeats(row, chosen[n])]
        if again:
            others = shares[again].scatter(1, torch.tensor(chosen, device=logits.device)[again, None], 0)
            for n, token in zip(again, _drawn(others, uniform[again, 1]).tolist(), strict=True):
                chosen[n] = token
        return chosen

    def _repeats(self, row: Speaking, token: int) -> bool:
        return row.tokens[-self.win_size :].count(token) >= self.win_size * self.tau_r


def likeliest(logits: torch.Tensor, rows: Sequence[Speaking], end: int) -> list[int]:
    """Greedy choice."""
    tokens: list[int] = allowed(logits, rows, end).argmax(dim=-1).tolist()
    return tokens


def allowed(logits: torch.Tensor, rows: Sequence[Speaking], end: int) -> torch.Tensor:
    """`logits` in float32, without `end` in the rows that must go on."""
    import torch

    early = torch.tensor([len(row.tokens) < row.least for row in rows], device=logits.device)
    out = logits.float().clone()
    out[:, end] = out[:, end].masked_fill(early, -torch.inf)
    return out


def _drawn(shares: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Places int64 [B] in `shares` [B, n] (not normalized), by inverting their sums at `uniform` [B] in 0–1."""
    sums = shares.double().cumsum(-1)
    total = sums[:, -1:]
    places = (sums <= uniform[:, None].double() * total).sum(-1)
    return places.clamp(max=shares.shape[1] - 1).minimum((sums < total).sum(-1))
