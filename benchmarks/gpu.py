"""How much audio a GPU takes a second, by batch size: WavLM, AudioSeal, the Whisper encoder and HuBERT.

    python -m benchmarks.gpu                  # a Markdown table on stdout; says so where there is no GPU
    python -m benchmarks.gpu --tiny           # the same code on the CPU with toy sizes: that it runs, no figures

Weights are random and of the published sizes: none of these networks' speed depends on what they have learned. WavLM
and AudioSeal run through this project's engines, resampling and transfers included, as a build runs them; the Whisper
encoder and HuBERT run bare. The Whisper encoder always hears windows of 30 s, one utterance in each.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.records import Audio

REPEAT_S = 2.0  # each figure is the median of as many runs as fit in it, at least three
AudioStep = Callable[[int], None]  # runs a batch of so many utterances


@dataclass(frozen=True)
class Size:
    """What the networks are built to. Sources: the models' own config.json, AudioSeal's cards."""

    wavlm: dict[str, Any]  # wavlm-base-plus-sv
    whisper: dict[str, Any]  # whisper-large-v3-turbo, encoder
    hubert: dict[str, Any]  # hubert-base-ls960
    audioseal: dict[str, Any]  # changes to the cards


_TOY: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
_TOY |= {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
PUBLISHED = Size(
    wavlm={},  # the library's defaults are the base size
    whisper={"d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120},
    hubert={},
    audioseal={},
)
TINY = Size(
    wavlm=_TOY | {"tdnn_dim": (16, 16, 16, 16, 48), "xvector_output_dim": 64},
    whisper={"d_model": 32, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 64},
    hubert=_TOY,
    audioseal={"n_filters": 4, "dimension": 16, "lstm": 1},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of an utterance")
    parser.add_argument("--batches", default="1,4,16,64", help="batch sizes")
    parser.add_argument("--tiny", action="store_true", help="toy sizes on the CPU: proves that this script runs")
    options = parser.parse_args()
    import torch

    if not options.tiny and not torch.cuda.is_available():
        print("not run: no GPU here")
        return
    device = "cpu" if options.tiny else "cuda"
    batches = [int(number) for number in options.batches.split(",")]
    torch.manual_seed(0)
    print(heading(device, options.seconds))
    for name, build in steps(TINY if options.tiny else PUBLISHED, device, options.seconds):
        step = build()
        for batch in batches:
            print(row(name, batch, options.seconds, device, step), flush=True)
        del step
        if device == "cuda":
            torch.cuda.empty_cache()


def heading(device: str, seconds: float) -> str:
    import torch

    what = torch.cuda.get_device_name() if device == "cuda" else "CPU, toy sizes: these are no figures"
    return (
        f"{what}; torch {torch.__version__}; utterances of {seconds:g} s\n\n"
        "| network | batch | seconds a batch | audio seconds a second | GPU memory, GiB |\n|---|---|---|---|---|"
    )


def row(name: str, batch: int, seconds: float, device: str, step: AudioStep) -> str:
    """A line of the table; a batch that does not fit in memory says so."""
    import torch

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        took = median_seconds(lambda: step(batch), device)
    except Exception as error:
        if "out of" not in str(error).lower():
            raise
        return f"| {name} | {batch} | out of memory | | |"
    memory = f"{torch.cuda.max_memory_allocated() / 2**30:.1f}" if device == "cuda" else ""
    return f"| {name} | {batch} | {took:.4f} | {batch * seconds / took:.0f} | {memory} |"


def median_seconds(run: Callable[[], None], device: str) -> float:
    """Median wall time of `run`, the device's work included, after one run that is not counted."""
    import torch

    wait: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else lambda: None
    run()  # the first run allocates and picks kernels
    wait()
    times: list[float] = []
    while len(times) < 3 or sum(times) < REPEAT_S:
        began = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def steps(size: Size, device: str, seconds: float) -> Iterator[tuple[str, Callable[[], AudioStep]]]:
    """(name, what builds the step) of each line of the table."""
    yield "WavLM base x-vector, float32, engine", lambda: wavlm(size, device, seconds)
    yield "AudioSeal embed at 22,050 Hz, float32, engine", lambda: audioseal(size, device, seconds, "embed")
    yield "AudioSeal detect at 22,050 Hz, float32, engine", lambda: audioseal(size, device, seconds, "detect")
    for kind in ("float32", "float16") if device == "cuda" else ("float32",):
        yield f"Whisper large-v3-turbo encoder, {kind}", partial(whisper, size, device, kind)
        yield f"HuBERT base, {kind}", partial(hubert, size, device, kind, seconds)


def noise(seconds: float, rate: int) -> Audio:
    """White noise at 0.05 RMS, float32."""
    return Audio((np.random.default_rng(0).standard_normal(round(seconds * rate)) * 0.05).astype(np.float32), rate)


def wavlm(size: Size, device: str, seconds: float) -> AudioStep:
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

    from kespeechchat.config.engines import WavLMSettings
    from kespeechchat.engines.registry import load

    with tempfile.TemporaryDirectory() as folder:
        WavLMForXVector(WavLMConfig(**size.wavlm)).save_pretrained(folder)
        extractor: Any = Wav2Vec2FeatureExtractor
        extractor().save_pretrained(folder)
        engine = load(WavLMSettings(use="wavlm", model=folder, device=device, batch=1 << 20))
    audio = noise(seconds, 16_000)
    return lambda batch: checked(engine.xvectors([audio] * batch))


def audioseal(size: Size, device: str, seconds: float, work: str) -> AudioStep:
    from kespeechchat.config.engines import AudioSealSettings
    from kespeechchat.engines.registry import load

    with tempfile.TemporaryDirectory() as folder:
        write_audioseal(Path(folder), size.audioseal)
        engine = load(AudioSealSettings(use="audioseal", model=folder, device=device, batch=1 << 20))
    audio = noise(seconds, 22_050)
    if work == "embed":
        return lambda batch: checked(engine.embed([audio] * batch, "1a2b"))
    return lambda batch: checked(engine.detect([audio] * batch))


def write_audioseal(folder: Path, changes: dict[str, Any]) -> None:
    """Both checkpoints with random weights, of the published cards' sizes but for `changes`."""
    import os

    os.environ.setdefault("NO_TORCH_COMPILE", "1")
    import torch
    from audioseal import builder
    from audioseal.loader import AudioSeal, load_local_model_config
    from omegaconf import OmegaConf

    kinds: tuple[tuple[str, str, Any, Any], ...] = (
        ("generator", "audioseal_wm_16bits", builder.AudioSealWMConfig, builder.create_generator),
        ("detector", "audioseal_detector_16bits", builder.AudioSealDetectorConfig, builder.create_detector),
    )
    for file, card, kind, create in kinds:
        config: Any = OmegaConf.to_container(load_local_model_config(card))  # names and values, as the card has them
        config["seanet"] |= changes
        state = create(AudioSeal.parse_config(dict(config), config_type=kind)).state_dict()
        torch.save({"xp.cfg": config, "model": state}, folder / f"{file}_base.pth")


def whisper(size: Size, device: str, kind: str) -> AudioStep:
    import torch
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    dtype = getattr(torch, kind)
    encoder: Any = WhisperEncoder(WhisperConfig(num_mel_bins=128, **size.whisper))
    encoder.to(device, dtype).eval()
    window = torch.randn(1, 128, 3_000, device=device, dtype=dtype)  # 30 s of log-mel frames
    return lambda batch: forward(encoder, window.expand(batch, -1, -1))


def hubert(size: Size, device: str, kind: str, seconds: float) -> AudioStep:
    import torch
    from transformers import HubertConfig, HubertModel

    dtype = getattr(torch, kind)
    model: Any = HubertModel(HubertConfig(**size.hubert))
    model.to(device, dtype).eval()
    audio = torch.randn(1, round(seconds * 16_000), device=device, dtype=dtype)
    return lambda batch: forward(model, audio.expand(batch, -1))


def forward(model: Any, values: Any) -> None:
    import torch

    with torch.inference_mode():
        model(values)


def checked(results: list[Any]) -> None:
    """A benchmark of errors would be fast."""
    from kespeechchat.records import RowError

    if errors := [result.message for result in results if isinstance(result, RowError)]:
        raise RuntimeError(errors[0])


if __name__ == "__main__":
    main()
