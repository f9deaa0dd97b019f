"""A CosyVoice 1 model folder of a few hundred kilobytes with random weights, for the library's own loader.

Every module is the library's; only widths and depths are small. Its speech is noise, but a voice, a seed and an
exception take the ways they take in the real model. `campplus.onnx` pools the filter banks over time and projects them
to 192 numbers; `speech_tokenizer_v1.onnx` only has to open, for no prompt is ever tokenized.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

SPEAKER = 192

_ENCODER = """
        output_size: 16
        attention_heads: 2
        linear_units: 32
        num_blocks: 1
        dropout_rate: 0.1
        positional_dropout_rate: 0.1
        attention_dropout_rate: 0.0
        pos_enc_layer_type: 'rel_pos_espnet'
        selfattention_layer_type: 'rel_selfattn'"""

YAML = f"""
sample_rate: 22050
llm: !new:cosyvoice.llm.llm.TransformerLM
    text_encoder_input_size: 16
    llm_input_size: 16
    llm_output_size: 16
    text_token_size: 51866
    speech_token_size: 32
    spk_embed_dim: {SPEAKER}
    text_encoder: !new:cosyvoice.transformer.encoder.ConformerEncoder
        input_size: 16
        input_layer: 'linear'
        use_cnn_module: False
        macaron_style: False
        static_chunk_size: 1{_ENCODER}
    llm: !new:cosyvoice.transformer.encoder.TransformerEncoder
        input_size: 16
        input_layer: 'linear_legacy'
        static_chunk_size: 1{_ENCODER}
    sampling: !name:cosyvoice.utils.common.ras_sampling
        top_p: 0.8
        top_k: 25
        win_size: 10
        tau_r: 0.1
flow: !new:cosyvoice.flow.flow.MaskedDiffWithXvec
    input_size: 16
    output_size: 80
    spk_embed_dim: {SPEAKER}
    vocab_size: 32
    input_frame_rate: 50
    encoder: !new:cosyvoice.transformer.encoder.ConformerEncoder
        input_size: 16
        input_layer: 'linear'
        use_cnn_module: False
        macaron_style: False{_ENCODER}
    length_regulator: !new:cosyvoice.flow.length_regulator.InterpolateRegulator
        channels: 80
        sampling_ratios: [1]
    decoder: !new:cosyvoice.flow.flow_matching.ConditionalCFM
        in_channels: 240
        n_spks: 1
        spk_emb_dim: 80
        cfm_params: !new:omegaconf.DictConfig
            content:
                sigma_min: 1e-06
                solver: 'euler'
                t_scheduler: 'cosine'
                training_cfg_rate: 0.2
                inference_cfg_rate: 0.7
                reg_loss_type: 'l1'
        estimator: !new:cosyvoice.flow.decoder.ConditionalDecoder
            in_channels: 320
            out_channels: 80
            channels: [32]
            dropout: 0.0
            attention_head_dim: 8
            n_blocks: 1
            num_mid_blocks: 1
            num_heads: 2
            act_fn: 'gelu'
hift: !new:cosyvoice.hifigan.generator.HiFTGenerator
    in_channels: 80
    base_channels: 16
    nb_harmonics: 2
    sampling_rate: 22050
    nsf_alpha: 0.1
    nsf_sigma: 0.003
    nsf_voiced_threshold: 10
    upsample_rates: [8, 8]
    upsample_kernel_sizes: [16, 16]
    istft_params:
        n_fft: 16
        hop_len: 4
    resblock_kernel_sizes: [3]
    resblock_dilation_sizes: [[1, 3, 5]]
    source_resblock_kernel_sizes: [7, 11]
    source_resblock_dilation_sizes: [[1], [1]]
    lrelu_slope: 0.1
    audio_limit: 0.99
    f0_predictor: !new:cosyvoice.hifigan.f0_predictor.ConvRNNF0Predictor
        num_class: 1
        in_channels: 80
        cond_channels: 16
get_tokenizer: !name:whisper.tokenizer.get_tokenizer
    multilingual: True
    num_languages: 100
    language: 'en'
    task: 'transcribe'
allowed_special: 'all'
feat_extractor: !name:matcha.utils.audio.mel_spectrogram
    n_fft: 1024
    num_mels: 80
    sampling_rate: 22050
    hop_size: 256
    win_size: 1024
    fmin: 0
    fmax: 8000
    center: False
"""


def build(folder: Path, seed: int = 0) -> Path:
    """Writes the model folder; the weights are a function of `seed`."""
    import torch
    from hyperpyyaml import load_hyperpyyaml

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cosyvoice.yaml").write_text(YAML, encoding="utf-8")
    torch.manual_seed(seed)
    parts = load_hyperpyyaml(YAML)
    with torch.no_grad():  # a voice must be heard over the rest of so small a model
        for part in (parts["llm"], parts["flow"]):
            part.spk_embed_affine_layer.weight.mul_(20)
    for name in ("llm", "flow", "hift"):
        torch.save(parts[name].state_dict(), folder / f"{name}.pt")
    campplus(folder / "campplus.onnx", seed)
    _speech_tokenizer(folder / "speech_tokenizer_v1.onnx")
    return folder


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


@contextmanager
def llm_loaded() -> Iterator[None]:
    """Inside, the library's loader loads the LLM as FunAudioLLM's own does; cosyvoice-minicpmo leaves that out.

    With the official code it changes nothing.
    """
    import torch
    from cosyvoice.cli.model import CosyVoiceModel

    original = CosyVoiceModel.load

    def load(self, llm, flow, hift):  # type: ignore[no-untyped-def]
        original(self, llm, flow, hift)
        self.llm.load_state_dict(torch.load(llm, map_location=self.device, weights_only=True), strict=True)
        self.llm.to(self.device).eval()

    CosyVoiceModel.load = load
    try:
        yield
    finally:
        CosyVoiceModel.load = original
