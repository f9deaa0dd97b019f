"""CosyVoice's modules with random weights, of the published sizes or toy ones, without a model folder.

Sizes: the recipes' YAML in FunAudioLLM/CosyVoice (`examples/libritts`) and Qwen2-0.5B's config.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

VOICE = 192
_FLOW_PARAMS = {"sigma_min": 1e-06, "solver": "euler", "t_scheduler": "cosine", "training_cfg_rate": 0.2}
_FLOW_PARAMS |= {"inference_cfg_rate": 0.7, "reg_loss_type": "l1"}
_RELATIVE = {"pos_enc_layer_type": "rel_pos_espnet", "selfattention_layer_type": "rel_selfattn"}
_PLAIN = {"use_cnn_module": False, "macaron_style": False, "input_layer": "linear"}


@dataclass(frozen=True)
class Size:
    """What the modules are built to; widths, depths and tables."""

    text: int = 512
    width: int = 1024
    heads: int = 16
    text_layers: int = 6
    layers: int = 14
    words: int = 51_866
    speech: int = 4096
    flow: int = 512
    flow_layers: int = 6
    channels: tuple[int, ...] = (256, 256)
    head: int = 64
    blocks: int = 4
    middle: int = 12
    vocoder: int = 512
    qwen: tuple[int, int, int, int, int] = (896, 4864, 24, 14, 2)  # width, inner, layers, heads, shared heads
    qwen_words: int = 151_936
    qwen_speech: int = 6561


PUBLISHED = Size()
TINY = Size(16, 16, 2, 1, 1, 300, 32, 16, 1, (32, 32), 8, 1, 1, 16, (32, 48, 1, 4, 2), 300, 32)


def version_1(size: Size) -> Any:
    """The library's modules of version 1 as its `CosyVoiceModel` has them: `llm`, `flow`, `hift`, `fp16`."""
    return SimpleNamespace(
        llm=_transformer_lm(size).eval(), flow=_flow(size).eval(), hift=_hift(size).eval(), fp16=False
    )


def version_2(size: Size) -> Any:
    """The same of version 2; its flow's encoder has 512 channels at every size, as the library fixes them."""
    return SimpleNamespace(llm=qwen_lm(size), flow=_causal_flow(size).eval(), hift=_hift_24k(size).eval(), fp16=False)


def _sampling() -> Any:
    from functools import partial

    from cosyvoice.utils.common import ras_sampling

    return partial(ras_sampling, top_p=0.8, top_k=25, win_size=10, tau_r=0.1)


def _transformer_lm(size: Size) -> Any:
    from cosyvoice.llm.llm import TransformerLM
    from cosyvoice.transformer.encoder import ConformerEncoder, TransformerEncoder

    shared = {"output_size": size.width, "attention_heads": size.heads, "linear_units": 4 * size.width, **_RELATIVE}
    encoder = ConformerEncoder(
        input_size=size.text, num_blocks=size.text_layers, static_chunk_size=1, **shared, **_PLAIN
    )
    llm = TransformerEncoder(
        input_size=size.width, num_blocks=size.layers, static_chunk_size=1, input_layer="linear_legacy", **shared
    )
    made = TransformerLM(
        size.text, size.width, size.width, size.words, size.speech, encoder, llm, _sampling(), spk_embed_dim=VOICE
    )
    return _endless(made)


def qwen_lm(size: Size) -> Any:
    """Version 2's LLM, without the checkpoint that its constructor reads."""
    import torch
    from cosyvoice.llm.llm import Qwen2Encoder, Qwen2LM
    from transformers import Qwen2Config, Qwen2ForCausalLM

    width, inner, layers, heads, shared = size.qwen
    config = Qwen2Config(
        vocab_size=size.qwen_words,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=shared,
        tie_word_embeddings=True,
    )
    encoder = Qwen2Encoder.__new__(Qwen2Encoder)
    torch.nn.Module.__init__(encoder)
    encoder.model = Qwen2ForCausalLM(config)
    return _endless(Qwen2LM(width, width, size.qwen_speech, encoder, _sampling())).eval()


def _endless(llm: Any) -> Any:
    """Never ends by itself: the benchmark forces each row's length."""
    llm.llm_decoder.bias.data[llm.speech_token_size :] = -100
    return llm


def _flow(size: Size) -> Any:
    from cosyvoice.flow.decoder import ConditionalDecoder
    from cosyvoice.flow.flow import MaskedDiffWithXvec
    from cosyvoice.flow.flow_matching import ConditionalCFM
    from cosyvoice.flow.length_regulator import InterpolateRegulator
    from cosyvoice.transformer.encoder import ConformerEncoder
    from omegaconf import DictConfig

    shape = {"output_size": size.flow, "attention_heads": size.heads // 2, "linear_units": 4 * size.flow}
    encoder = ConformerEncoder(input_size=size.flow, num_blocks=size.flow_layers, **shape, **_RELATIVE, **_PLAIN)
    estimator = ConditionalDecoder(
        in_channels=320,
        out_channels=80,
        channels=size.channels,
        dropout=0.0,
        attention_head_dim=size.head,
        n_blocks=size.blocks,
        num_mid_blocks=size.middle,
        num_heads=8,
        act_fn="gelu",
    )
    decoder = ConditionalCFM(
        in_channels=240, n_spks=1, spk_emb_dim=80, cfm_params=DictConfig(_FLOW_PARAMS), estimator=estimator
    )
    return MaskedDiffWithXvec(
        input_size=size.flow,
        vocab_size=size.speech,
        encoder=encoder,
        length_regulator=InterpolateRegulator(80, (1, 1, 1, 1)),
        decoder=decoder,
    )


def _causal_flow(size: Size) -> Any:
    from cosyvoice.flow.decoder import CausalConditionalDecoder
    from cosyvoice.flow.flow import CausalMaskedDiffWithXvec
    from cosyvoice.flow.flow_matching import CausalConditionalCFM
    from cosyvoice.transformer.upsample_encoder import UpsampleConformerEncoder
    from omegaconf import DictConfig

    shape = {"output_size": 512, "attention_heads": size.heads // 2, "linear_units": 4 * size.flow}
    encoder = UpsampleConformerEncoder(
        input_size=512, num_blocks=size.flow_layers, static_chunk_size=25, **shape, **_RELATIVE, **_PLAIN
    )
    estimator = CausalConditionalDecoder(
        in_channels=320,
        out_channels=80,
        channels=size.channels[:1],
        dropout=0.0,
        attention_head_dim=size.head,
        n_blocks=size.blocks,
        num_mid_blocks=size.middle,
        num_heads=8,
        act_fn="gelu",
        static_chunk_size=50,
        num_decoding_left_chunks=-1,
    )
    decoder = CausalConditionalCFM(
        in_channels=240, n_spks=1, spk_emb_dim=80, cfm_params=DictConfig(_FLOW_PARAMS), estimator=estimator
    )
    return CausalMaskedDiffWithXvec(
        input_size=512, vocab_size=size.qwen_speech, input_frame_rate=25, encoder=encoder, decoder=decoder
    )


def _hift_24k(size: Size) -> Any:
    from cosyvoice.hifigan.f0_predictor import ConvRNNF0Predictor
    from cosyvoice.hifigan.generator import HiFTGenerator

    return HiFTGenerator(
        base_channels=size.vocoder,
        sampling_rate=24_000,
        upsample_rates=[8, 5, 3],
        upsample_kernel_sizes=[16, 11, 7],
        source_resblock_kernel_sizes=[7, 7, 11],
        source_resblock_dilation_sizes=[[1, 3, 5]] * 3,
        f0_predictor=ConvRNNF0Predictor(1, 80, size.vocoder),
    )


def _hift(size: Size) -> Any:
    from cosyvoice.hifigan.f0_predictor import ConvRNNF0Predictor
    from cosyvoice.hifigan.generator import HiFTGenerator

    return HiFTGenerator(base_channels=size.vocoder, f0_predictor=ConvRNNF0Predictor(1, 80, size.vocoder))
