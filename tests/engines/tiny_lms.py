"""CosyVoice's two LLMs with random weights and two layers, and what the library's own loops make of forced tokens."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

from tests.engines.tiny_cosyvoice import YAML

SPEECH = 32  # speech tokens; 32 ends a row
NOTHING = np.zeros((1, 0), np.int32)


def transformer_lm(seed: int = 0) -> Any:
    """Version 1's."""
    import torch
    from hyperpyyaml import load_hyperpyyaml

    torch.manual_seed(seed)
    yaml = YAML[YAML.index("llm:") : YAML.index("flow:")].replace("num_blocks: 1", "num_blocks: 2")
    return load_hyperpyyaml(yaml)["llm"].eval()


def qwen_lm(seed: int = 0) -> Any:
    """Version 2's: four heads that share two of keys and values."""
    import torch
    from cosyvoice.llm.llm import Qwen2Encoder, Qwen2LM
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.3,  # so that what was said before is heard in what comes
    )
    with tempfile.TemporaryDirectory() as folder:
        Qwen2ForCausalLM(config).save_pretrained(folder)
        encoder = Qwen2Encoder(folder)
    return Qwen2LM(32, 32, SPEECH, encoder, transformer_lm().sampling).eval()


def inputs(seed: int, text: int, prompt_text: int = 0, prompt_speech: int = 0, voice: bool = True) -> dict[str, Any]:
    """What the library's frontend would make of a row, of random tokens: SFT, or with a prompt's text and speech."""
    import torch

    rng = np.random.default_rng(seed)
    made = {
        "text": rng.integers(0, 300, (1, text)).astype(np.int32),
        "prompt_text": rng.integers(0, 300, (1, prompt_text)).astype(np.int32),
        "llm_prompt_speech_token": rng.integers(0, SPEECH, (1, prompt_speech)).astype(np.int32),
        "llm_embedding": rng.standard_normal((1 if voice else 0, 192)).astype(np.float32),
    }
    return {name: torch.from_numpy(value) for name, value in made.items()}


def librarys_logits(llm: Any, given: dict[str, Any], forced: list[int]) -> Any:
    """Log probabilities [tokens, vocabulary] before each of `forced`, from the library's own `inference`."""
    import torch

    seen: list[Any] = []

    def follow(scores: Any, decoded: list[int], _: int) -> Any:
        seen.append(scores.clone())
        return torch.tensor([forced[len(decoded)]])

    def count(name: str) -> Any:
        return torch.tensor([given[name].shape[1]], dtype=torch.int32)

    ratio = (len(forced) + 0.5) / given["text"].shape[1]
    before, llm.sampling = llm.sampling, follow
    try:
        told = llm.inference(
            given["text"],
            count("text"),
            given["prompt_text"],
            count("prompt_text"),
            given["llm_prompt_speech_token"],
            count("llm_prompt_speech_token"),
            given["llm_embedding"],
            max_token_text_ratio=ratio,
            min_token_text_ratio=0,
        )
        assert list(told) == forced
    finally:
        llm.sampling = before
    return torch.stack(seen)
