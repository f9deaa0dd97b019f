"""CosyVoice model folders with random weights, small enough for a test, for the library's own loader.

Every module is the library's; only widths and depths are small. Its speech is noise, but a voice, a seed and an
exception take the ways they take in the real model. `campplus.onnx` pools the filter banks over time and projects them
to 192 numbers; `speech_tokenizer_v1.onnx` only has to open, for no prompt is ever tokenized.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.config.engines import CosyVoiceSettings
from kespeechchat.engines.tts import Prompt
from kespeechchat.waveform import resample

SPEAKER = 192
FILES = ("cosyvoice.yaml", "llm.pt", "flow.pt", "hift.pt", "campplus.onnx", "speech_tokenizer_v1.onnx")

YAML = Path(__file__).with_name("tiny_cosyvoice.yaml").read_text(encoding="utf-8")
YAML3 = Path(__file__).with_name("tiny_cosyvoice3.yaml").read_text(encoding="utf-8")
YAML2 = Path(__file__).with_name("tiny_cosyvoice2.yaml").read_text(encoding="utf-8")


def settings(folder: Path | str, **change: object) -> CosyVoiceSettings:
    return CosyVoiceSettings(**{"use": "cosyvoice", "model": str(folder), **change})


def build(folder: Path, seed: int = 0) -> Path:
    """Writes a CosyVoice 1 model folder; the weights are a function of `seed`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cosyvoice.yaml").write_text(YAML, encoding="utf-8")
    _weights(folder, YAML, {}, seed)
    _speech_tokenizer(folder / "speech_tokenizer_v1.onnx")
    return folder


def build2(folder: Path, seed: int = 0) -> Path:
    """Writes a CosyVoice 2 model folder (the library fixes 512 channels in its flow encoder: some 30 MB)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cosyvoice2.yaml").write_text(YAML2, encoding="utf-8")
    qwen = folder / "CosyVoice-BlankEN"
    _qwen(qwen, seed)
    _weights(folder, YAML2, {"qwen_pretrain_path": str(qwen)}, seed)
    _speech_tokenizer(folder / "speech_tokenizer_v2.onnx")
    return folder


def build3(folder: Path, seed: int = 0) -> Path:
    """Writes a CosyVoice 3 model folder; its library knows `<|endofprompt|>` by its place in the real vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cosyvoice3.yaml").write_text(YAML3, encoding="utf-8")
    qwen = folder / "CosyVoice-BlankEN"
    _qwen(qwen, seed, before=151_643)
    _weights(folder, YAML3, {"qwen_pretrain_path": str(qwen)}, seed)
    _speech_tokenizer(folder / "speech_tokenizer_v3.onnx")
    return folder


def _weights(folder: Path, yaml: str, overrides: dict[str, str], seed: int) -> None:
    import torch
    from hyperpyyaml import load_hyperpyyaml

    torch.manual_seed(seed)
    parts = load_hyperpyyaml(yaml, overrides=overrides)
    with torch.no_grad():  # a voice must be heard over the rest of so small a model
        for part in (parts["llm"], parts["flow"]):
            if hasattr(part, "spk_embed_affine_layer"):
                part.spk_embed_affine_layer.weight.mul_(20)
        decoder = parts["llm"].llm_decoder
        if decoder.bias is not None:
            decoder.bias[33:] = -100  # version 2's fill tokens, after 32 of speech and the end; never said
        else:
            decoder.weight[:33].mul_(15)  # version 3 has no bias: the 199 other ends are unlikely beside these
            decoder.weight[33:] = 0
    for name in ("llm", "flow", "hift"):
        torch.save(parts[name].state_dict(), folder / f"{name}.pt")
    campplus(folder / "campplus.onnx", seed)


def _qwen(folder: Path, seed: int, before: int = 0) -> None:
    """A Qwen 2 of one layer and a byte-level tokenizer without merges: one token a byte. `before`: the least number of
    words that stand before its special ones."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    alphabet += [f"<unused-{n}>" for n in range(len(alphabet), before)]
    words = {c: i for i, c in enumerate([*alphabet, "<|endoftext|>"])}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
    config = Qwen2Config(
        vocab_size=before + 600 if before else 320,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)


def campplus(path: Path, seed: int = 0, size: int = SPEAKER, name: str = "input") -> Path:
    """`[1, frames, 80]` → `[1, size]`: mean of the squares over time (the mean itself is 0), then a random matrix."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(seed).standard_normal((80, size)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Mul", [name, name], ["squares"]),
            helper.make_node("ReduceMean", ["squares", "axes"], ["pooled"], keepdims=0),
            helper.make_node("MatMul", ["pooled", "weights"], ["output"]),
        ],
        "campplus",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "frames", 80])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", size])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([1]), "axes")],
    )
    _save(graph, path)
    return path


def _speech_tokenizer(path: Path) -> None:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Identity", ["feats_length"], ["indices"])],
        "speech_tokenizer",
        [
            helper.make_tensor_value_info("feats", TensorProto.FLOAT, [1, 128, "frames"]),
            helper.make_tensor_value_info("feats_length", TensorProto.INT32, [1]),
        ],
        [helper.make_tensor_value_info("indices", TensorProto.INT32, [1])],
    )
    _save(graph, path)


def _save(graph: object, path: Path) -> None:
    import onnx
    from onnx import helper

    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))


def held_to_the_library(engine: Any, prompt: Prompt, opening: str = "") -> dict[str, Any]:
    """What `engine` puts into the library for `prompt`, once it is what the library's own front end makes of it; that
    is given the samples at the rates that it takes, and the text behind `opening`."""
    import torch

    from kespeechchat.engines.tts.cosyvoice_prompts import speaker

    made, frontend = speaker(engine._cosyvoice, prompt, text_frontend=False), engine._frontend
    heard, own = (
        torch.from_numpy(resample(prompt.audio, rate).samples)[None] for rate in (16_000, engine._cosyvoice.sample_rate)
    )
    for name, given, cut in (
        ("prompt_text", frontend._extract_text_token, opening + prompt.text),
        ("flow_prompt_speech_token", frontend._extract_speech_token, heard),
        ("prompt_speech_feat", frontend._extract_speech_feat, own),
        ("llm_embedding", frontend._extract_spk_embedding, heard),
    ):
        found = given(cut)
        theirs = found[0] if isinstance(found, tuple) else found
        torch.testing.assert_close(made[name], theirs[:, : made[name].shape[1]], rtol=1e-5, atol=1e-5)
    return made


@contextmanager
def llm_loaded() -> Iterator[None]:
    """Inside, the library loads its LLM as FunAudioLLM's own code does; cosyvoice-minicpmo leaves that out.

    It never loads version 1's weights and drops version 2's LLM altogether. With the official code this does nothing.
    """
    import torch
    from cosyvoice.cli import cosyvoice as cli
    from cosyvoice.cli.model import CosyVoiceModel

    load_parts, load_weights = cli.load_hyperpyyaml, CosyVoiceModel.load
    parts: dict[str, object] = {}

    def remember(*args, **kwargs):  # type: ignore[no-untyped-def]
        parts.update(load_parts(*args, **kwargs))
        return dict(parts)

    def load(self, llm, flow, hift):  # type: ignore[no-untyped-def]
        load_weights(self, llm, flow, hift)
        if getattr(self, "llm", None) is None:
            self.llm = parts["llm"]
        self.llm.load_state_dict(torch.load(llm, map_location=self.device, weights_only=True), strict=True)
        self.llm.to(self.device).eval()

    cli.load_hyperpyyaml, CosyVoiceModel.load = remember, load
    try:
        yield
    finally:
        cli.load_hyperpyyaml, CosyVoiceModel.load = load_parts, load_weights
