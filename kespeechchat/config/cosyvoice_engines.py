"""Settings of the engines that run CosyVoice: one speaks, one says a text as speech tokens alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from kespeechchat.config.base import RUNTIME
from kespeechchat.config.engine_base import Batch, Device, EngineSettings, SupportedManners, Threads
from kespeechchat.records import Language


class CosyVoiceModelSettings(EngineSettings):
    """What every engine over a model folder of CosyVoice is told; `CosyVoiceSettings` says what it means."""

    speeds: ClassVar[tuple[float, float]] = (0.5, 2.0)  # outside, stretching the spectrogram is heard
    use: Literal["cosyvoice"]
    model: str
    version: Literal[1, 2, 3] = 1
    mode: Literal["sft", "instruct", "zero_shot"] = "sft"
    instruct_text: str | None = None
    text_frontend: bool = False
    piece_tokens: int = Field(80, ge=10, description="80 is the library's own limit for a piece")
    fp16: bool = Field(False, description="half precision; only on a GPU")
    seconds_per_utterance_limit: Annotated[float, Field(gt=0), RUNTIME] = 600.0
    batch: Batch = 1
    cache_gigabytes: Annotated[
        float, Field(gt=0, description="most memory for the LLM's keys and values; fewer rows go at once"), RUNTIME
    ] = 4.0
    device: Device = "auto"

    @property
    def prompted(self) -> bool:
        """Whether it speaks from a recording of the speaker."""
        return self.mode == "zero_shot"

    def manners(self, languages: Sequence[Language]) -> SupportedManners:
        """At other speeds in every mode; as a text tells it in the mode that has one."""
        return SupportedManners(
            self.speeds,
            self.mode == "instruct",
            for_instructions="give it version: 1, mode: instruct, an instruct_text for all other turns and a folder of "
            "CosyVoice-300M-Instruct, or remove instruct",
        )

    @model_validator(mode="after")
    def _instruct(self) -> CosyVoiceModelSettings:
        if self.mode == "instruct" and self.version != 1:
            raise ValueError(
                "mode: instruct needs version: 1; later versions take instructions only with a recorded prompt"
            )
        if self.version == 3 and (self.mode != "zero_shot" or self.batch > 1):
            raise ValueError(
                f"version: 3 speaks with mode: zero_shot and batch: 1 alone, not {self.mode} and {self.batch}"
            )
        if (self.mode == "instruct") != bool(self.instruct_text):
            raise ValueError("instruct_text belongs to mode: instruct: give both or neither")
        return self


class CosyVoiceSettings(CosyVoiceModelSettings):
    """CosyVoice 1 (22,050 Hz), 2 or 3 (24,000 Hz) with virtual voices (float32 [192], CAM++ space); docs/cosyvoice.md.

    `mode`: `sft` gives the voice to LLM and flow (version 2's LLM takes no voice), `instruct` to the flow alone, while
    the LLM reads `instruct_text`; `zero_shot` speaks from the voice's recording (stages.audition.prompts), which is all
    that version 3 can do here.
    `text_frontend`: let the library normalize and split; off, the text is spoken as it stands, in pieces of at most
    `piece_tokens` tokens. `seconds_per_utterance_limit`: wall time after which the engine counts as hung; generous, for
    a slow machine loses its process too. `batch`: rows that the LLM decodes at once; over 1 a row's speech depends on
    its neighbours by rounding.
    """

    capability: ClassVar[str] = "tts"
    seeded: ClassVar[bool] = True
    from_tokens: ClassVar[bool] = True
    use: Literal["cosyvoice"]
    flow_frames: Annotated[
        int, Field(ge=1, description="spectrogram frames that the flow takes at once; a longer row goes alone"), RUNTIME
    ] = 1


class CosyVoiceTokensSettings(CosyVoiceModelSettings):
    """CosyVoice's LLM alone: text to speech tokens without audio, 50 a second of 4,096 (version 1) or 25 of 6,561
    (version 2); other settings as of the TTS `cosyvoice`. Audio becomes tokens by the folder's own tokenizer.

    `batch`: rows that the LLM decodes at once; all spans of a shard go to it in one call. With 1 the tokens are the
    same every time (on a CPU); with more they depend on the neighbours by rounding. `threads`: of the tokenizer.
    """

    capability: ClassVar[str] = "tokens"
    use: Literal["cosyvoice"]
    version: Literal[1, 2] = 1
    batch: Batch = 16
    threads: Threads = 1
