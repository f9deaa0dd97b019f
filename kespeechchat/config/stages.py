"""Settings of the stages, named as in the flow. Defaults: the paper's figures (arXiv 2412.01078) where it has any."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kespeechchat.config.base import PROMPT, RUNTIME, EngineRef, Settings
from kespeechchat.config.dataset import SplitSettings
from kespeechchat.config.voices import BlendingSettings, MiningSettings, PrivacySettings
from kespeechchat.records import Language

LLMName = Annotated[str, EngineRef("llm")]
JudgeName = Annotated[str, EngineRef("judge")]
TTSName = Annotated[str, EngineRef("tts")]
SpeakerName = Annotated[str, EngineRef("speaker")]
EmbedderName = Annotated[str, EngineRef("embedder")]
GenderName = Annotated[str, EngineRef("gender")]
WatermarkName = Annotated[str, EngineRef("watermark")]
ASRName = Annotated[str, EngineRef("asr")]
MOSName = Annotated[str, EngineRef("mos")]
PromptName = Annotated[str, PROMPT]


class Ingest(Settings):
    max_characters: int = Field(100, ge=1, description="longest instruction kept, without its input")


class Rewrite(Settings):
    llm: LLMName
    prompt: PromptName = Field("rewrite", description="for open instructions")
    directive_prompt: PromptName = Field("rewrite-directive", description="for directive tasks, without the directive")
    variants: int = Field(1, ge=1, description="questions made of one instruction")
    candidates: int = Field(1, ge=1, description="completions tried before a variant is given up")
    temperatures: tuple[float, ...] = Field((0.7,), min_length=1, description="of each candidate; the last one repeats")
    max_tokens: int = Field(128, ge=8)
    max_length: dict[Language, int] = Field({"zh": 100, "en": 60}, description="characters (zh), words (en)")


class Criterion(Settings):
    prompt: PromptName
    judge: JudgeName
    threshold: float = Field(0.5, ge=0, le=1, description="lowest score that passes")
    texts: tuple[Literal["question", "instruction"], ...] = Field(
        ("question",), min_length=1, description="what is judged; of several the lowest score counts"
    )


class Filter(Settings):
    criteria: tuple[Criterion, ...]
    safety_rules: bool = Field(True, description="also refuse by the readable rules of text.safety")
    suitability_rules: bool = Field(True, description="also refuse forms that no voice can give (text.suitability)")


class Spoken(Settings):
    llm: LLMName
    prompt: PromptName = "spoken"
    grounded_prompt: PromptName = Field("spoken-grounded", description="for rows whose source has an answer")
    grounded: bool = Field(False, description="carry the source's answer in the prompt and hold the response to it")
    require_reference: bool = Field(False, description="refuse a row whose source has no answer to its question")
    candidates: int = Field(1, ge=1)
    temperatures: tuple[float, ...] = Field((0.7,), min_length=1, description="of each candidate; the last one repeats")
    max_tokens: int = Field(512, ge=8)
    max_length: dict[Language, int] = Field(
        {"zh": 250, "en": 150}, description="longest response: characters (zh), words (en)"
    )
    splits: SplitSettings = SplitSettings()


class Corpus(Settings):
    """Speech to mine. The two engines serve only a corpus that is synthesized from a recipe."""

    tts: TTSName | None = None
    watermark: WatermarkName | None = None


class Clips(Settings):
    speaker: SpeakerName
    embedder: EmbedderName
    gender: GenderName
    mos: MOSName | None = None
    asr: ASRName | None = Field(None, description="recognizer of clips without a transcript")
    min_seconds: float = Field(0.5, ge=0, description="shorter clips are refused")
    max_seconds: float = Field(30.0, gt=0, description="longer clips are refused")


class Speakers(Settings):
    mining: MiningSettings = MiningSettings()


class Blend(Settings):
    blending: BlendingSettings = BlendingSettings()


class Audition(Settings):
    tts: TTSName
    speaker: SpeakerName = Field(description="measures privacy; best one that took no part in making the voices")
    asr: ASRName
    mos: MOSName | None = None
    probes: dict[Language, tuple[str, ...]]


class Voices(Settings):
    privacy: PrivacySettings = PrivacySettings()


class Synthesize(Settings):
    tts: TTSName
    tries: int = Field(3, ge=1, description="seeds tried per turn")
    seconds_per_character: dict[Language, tuple[float, float]] = Field(
        {"zh": (0.10, 0.60), "en": (0.03, 0.20)}, description="range outside which a turn is spoken again"
    )


class WatermarkStage(Settings):
    watermark: WatermarkName
    payload: str | None = Field(None, description="hex; null: presence only")


class Measure(Settings):
    asr: ASRName
    watermark: WatermarkName
    mos: MOSName | None = None


class Gate(Settings):
    max_error: dict[Language, float] = Field({"zh": 0.05, "en": 0.10}, description="CER (zh), WER (en)")
    unit: dict[Language, Literal["character", "syllable", "word"]] = Field(
        {"zh": "character", "en": "word"}, description="what errors are counted in; syllable: Chinese pinyin with tones"
    )

    @model_validator(mode="before")
    @classmethod
    def _threshold_moved(cls, data: Any) -> Any:
        if isinstance(data, dict) and "watermark_threshold" in data:
            raise ValueError(
                "watermark_threshold is now a setting of the watermark engine: remove it here and set "
                f"engines.watermark.NAME.threshold: {data['watermark_threshold']}, NAME being that of "
                "stages.measure.watermark"
            )
        return data

    @model_validator(mode="after")
    def _units_fit(self) -> Gate:
        for language, unit in self.unit.items():
            if unit not in {"zh": ("character", "syllable"), "en": ("word",)}[language]:
                raise ValueError(f"unit.{language}: {unit!r} is no unit of that language")
        return self


class Stages(Settings):
    """One field a stage, in the order of the flow."""

    ingest: Ingest = Ingest()
    rewrite: Rewrite
    filter: Filter
    spoken: Spoken
    corpus: Corpus = Corpus()
    clips: Clips
    speakers: Speakers = Speakers()
    blend: Blend = Blend()
    audition: Audition
    voices: Voices = Voices()
    synthesize: Synthesize
    watermark: WatermarkStage
    measure: Measure
    gate: Gate = Gate()


class Resources(Settings):
    """What one actor of a stage takes, and how many there are. None of it changes the output."""

    num_cpus: Annotated[float, RUNTIME] = Field(0.5, ge=0)
    num_gpus: Annotated[int, RUNTIME] = Field(0, ge=0)
    min_actors: Annotated[int, RUNTIME] = Field(1, ge=1)
    max_actors: Annotated[int, RUNTIME] = Field(1, ge=1)
    shards_in_flight: Annotated[
        int,
        Field(ge=1, description="shards that one actor makes at once; more than 1 for engines that allow it"),
        RUNTIME,
    ] = 1
    seconds_per_row: Annotated[
        float | None,
        Field(gt=0, description="of a stage's work on a shard, times its rows; past it the worker counts as hung"),
        RUNTIME,
    ] = 600.0
    resources: Annotated[dict[str, float], RUNTIME] = {}
    runtime_env: Annotated[dict[str, object], RUNTIME] = {}


class Guard(Settings):
    """Stops a phase whose yield over its first shards is out of range: a broken prompt must not burn a week."""

    after_shards: Annotated[int, RUNTIME] = Field(3, ge=1)
    min_kept: Annotated[float, RUNTIME] = Field(0.0, ge=0, le=1)
    max_kept: Annotated[float, RUNTIME] = Field(1.0, ge=0, le=1)
