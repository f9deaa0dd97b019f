"""What the settings of every stage are made of: the base class, and the names by which they refer to engines."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from kespeechchat.config.base import PROMPT, EngineRef, Settings
from kespeechchat.config.traits import Traits

LLMName = Annotated[str, EngineRef("llm"), Field(description="name of an engine in `engines.llm`")]
JudgeName = Annotated[str, EngineRef("judge"), Field(description="name of an engine in `engines.judge`")]
TTSName = Annotated[str, EngineRef("tts"), Field(description="name of an engine in `engines.tts`")]
SpeakerName = Annotated[str, EngineRef("speaker"), Field(description="name of an engine in `engines.speaker`")]
EmbedderName = Annotated[str, EngineRef("embedder"), Field(description="name of an engine in `engines.embedder`")]
GenderName = Annotated[str, EngineRef("gender"), Field(description="name of an engine in `engines.gender`")]
WatermarkName = Annotated[str, EngineRef("watermark"), Field(description="name of an engine in `engines.watermark`")]
ASRName = Annotated[str, EngineRef("asr"), Field(description="name of an engine in `engines.asr`")]
MOSName = Annotated[str, EngineRef("mos"), Field(description="name of an engine in `engines.mos`")]
PromptName = Annotated[str, PROMPT, Field(description="name of a prompt file")]


class StageSettings(Settings):
    """Settings of one stage, and its traits, which no profile can set."""

    traits: ClassVar[Traits]
