"""From speech tokens to spectrograms: the flow of either version, solved for several rows at once.

What conditions a row is made by the library's own modules, one row at a time, for it costs little. The ODE is the
expensive part: `solve` is the library's Euler scheme with classifier-free guidance (`ConditionalCFM.solve_euler`, which
is written for one row) over padded rows. Version 2's estimator is causal and masks its attention, so padding changes
nothing but rounding; version 1's normalizes over time, and runs by `estimator`, which leaves the padding out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kespeechchat.engines.tts.cosyvoice_batch.estimator import Estimator

if TYPE_CHECKING:
    import torch

_STEPS = 10  # of the solver, as the library's `inference` asks for
_MEL_RATE = 22_050 / 256  # version 1's frames a second
Solver = Callable[..., "torch.Tensor"]


@dataclass(frozen=True)
class Conditions:
    """What one row's spectrogram is made from. `mu`, `known`, `noise`: [1, 80, frames]; `voice`: [1, 80]; the first
    `prompt` frames are the prompt's and are cut off."""

    mu: torch.Tensor
    known: torch.Tensor
    noise: torch.Tensor
    voice: torch.Tensor
    prompt: int

    @property
    def frames(self) -> int:
        return int(self.mu.shape[2])


class Flow:
    """The library's flow, of version 1 (`MaskedDiffWithXvec`) or 2 (`CausalMaskedDiffWithXvec`)."""

    def __init__(self, flow: Any) -> None:
        self._flow = flow
        self._version = 1 if hasattr(flow, "length_regulator") else 2
        self._estimate: Solver = Estimator(flow.decoder.estimator) if self._version == 1 else flow.decoder.estimator

    def frames(self, tokens: int, inputs: Mapping[str, Any]) -> int:
        """Of the spectrogram of so many speech tokens, the prompt's included."""
        flow = self._flow
        if self._version == 2:
            before = inputs["flow_prompt_speech_token"].shape[1] if "flow_prompt_speech_token" in inputs else 0
            return int((before + tokens) * flow.token_mel_ratio)
        before = inputs["prompt_speech_feat"].shape[1] if "prompt_speech_feat" in inputs else 0
        return int(before) + int(tokens / flow.input_frame_rate * _MEL_RATE)

    def conditions(self, tokens: Sequence[int], inputs: Mapping[str, Any], seed: int) -> Conditions:
        """Of one row: its speech tokens, what the frontend made of its voice and prompt, and the seed of its noise."""
        import torch
        from torch.nn import functional

        flow, weight = self._flow, self._flow.spk_embed_affine_layer.weight
        nothing = torch.zeros(1, 0, dtype=torch.int64)
        before = inputs.get("flow_prompt_speech_token", nothing).to(weight.device, torch.int64)
        feat = inputs.get("prompt_speech_feat", torch.zeros(1, 0, 80)).to(weight.device, weight.dtype)
        voice = functional.normalize(inputs["flow_embedding"].to(weight.device, weight.dtype), dim=1)
        spoken = torch.cat([before, torch.tensor([tokens], device=weight.device)], dim=1)
        encoded = self._encoded(flow.input_embedding(spoken.clamp(min=0)), before.shape[1], feat.shape[1])
        mu = encoded.transpose(1, 2).contiguous()
        known = torch.zeros_like(mu)
        known[:, :, : feat.shape[1]] = feat.transpose(1, 2)
        noise = self._noise(mu, seed)
        return Conditions(mu, known, noise, flow.spk_embed_affine_layer(voice), feat.shape[1])

    def solve(self, rows: Sequence[Conditions]) -> list[torch.Tensor]:
        """Spectrograms, each float32 [1, 80, frames of the row], without the prompt's."""
        import torch

        decoder, longest = self._flow.decoder, max(row.frames for row in rows)
        state, mu, known = (_padded([getattr(r, n) for r in rows], longest) for n in ("noise", "mu", "known"))
        voice = torch.cat([row.voice for row in rows])
        lengths = torch.tensor([row.frames for row in rows], device=mu.device)
        mask = (torch.arange(longest, device=mu.device) < lengths[:, None]).to(mu)[:, None]
        mask, mu, known, voice = _twice(mask), _guided(mu), _guided(known), _guided(voice)
        for time, step in _times(decoder.t_scheduler, mu):
            change = self._estimate(_twice(state), mask, mu, time.expand(len(mu)), voice, known)
            with_all, without = change.chunk(2)
            rate = decoder.inference_cfg_rate
            state = state + step * ((1.0 + rate) * with_all - rate * without)
        return [state[n : n + 1, :, row.prompt : row.frames].float() for n, row in enumerate(rows)]

    def _encoded(self, embedded: torch.Tensor, prompt: int, frames: int) -> torch.Tensor:
        """[1, frames of prompt and row, 80] of `embedded` [1, tokens, D]; the first `prompt` are the prompt's."""
        import torch

        flow, count = self._flow, torch.tensor([embedded.shape[1]], device=embedded.device)
        hidden, _ = flow.encoder(embedded, count)
        hidden = flow.encoder_proj(hidden)
        if self._version == 2:
            return torch.as_tensor(hidden)
        length = self.frames(embedded.shape[1] - prompt, {})
        out, _ = flow.length_regulator.inference(
            hidden[:, :prompt], hidden[:, prompt:], frames, length, flow.input_frame_rate
        )
        return torch.as_tensor(out)

    def _noise(self, like: torch.Tensor, seed: int) -> torch.Tensor:
        """Version 1 draws it; version 2 always begins with the same."""
        import torch

        if self._version == 2:
            return torch.as_tensor(self._flow.decoder.rand_noise[:, :, : like.shape[2]]).to(like)
        return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed)).to(like)


def groups(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Places in `lengths`, alike ones together, so that a group padded to its longest has at most `most` frames; a
    longer one goes alone."""
    group: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if group and (len(group) + 1) * lengths[place] > most:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _times(scheduler: str, like: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The solver's times and steps, each a scalar tensor, summed up as the library does it."""
    import torch

    grid = torch.linspace(0, 1, _STEPS + 1, device=like.device, dtype=like.dtype)
    if scheduler == "cosine":
        grid = 1 - torch.cos(grid * 0.5 * torch.pi)
    time, step = grid[0], grid[1] - grid[0]
    for number in range(1, len(grid)):
        yield time, step
        time = time + step
        if number < len(grid) - 1:
            step = grid[number + 1] - time


def _padded(parts: Sequence[torch.Tensor], longest: int) -> torch.Tensor:
    import torch
    from torch.nn import functional

    return torch.cat([functional.pad(part, (0, longest - part.shape[2])) for part in parts])


def _twice(part: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat([part, part])


def _guided(part: torch.Tensor) -> torch.Tensor:
    """With the condition, and without it."""
    import torch

    return torch.cat([part, torch.zeros_like(part)])
