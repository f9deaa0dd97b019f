"""Settings and traits of the stages, named as in the flow. Defaults: the paper's figures (arXiv 2412.01078), if any.

A new stage begins here: a class with its traits and settings, and a field of :class:`Stages` at its place in the flow.
Those of the text stages are in `config.text_stages`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from kespeechchat.config.backchannels import VoiceWords
from kespeechchat.config.base import ADDED, Settings
from kespeechchat.config.speech import ErrorUnits, LoudnessSettings, SilenceLimits
from kespeechchat.config.stage_base import (
    ASRName,
    EmbedderName,
    GenderName,
    MOSName,
    SpeakerName,
    StageSettings,
    TTSName,
    WatermarkName,
)
from kespeechchat.config.text_stages import Filter, Ingest, Rewrite, Spoken
from kespeechchat.config.traits import Reads, Scope, Traits
from kespeechchat.config.voices import BlendingSettings, MiningSettings, PrivacySettings
from kespeechchat.records import Language


class Corpus(StageSettings):
    """Speech to mine. The two engines serve only a corpus that is synthesized from a recipe."""

    traits: ClassVar[Traits] = Traits("voices", Reads("speech", Scope.PLAN))

    tts: TTSName | None = Field(None, description="engine in `engines.tts` that speaks a recipe")
    watermark: WatermarkName | None = Field(None, description="engine in `engines.watermark` that marks a recipe")


class Clips(StageSettings):
    """Measures each clip of the corpus."""

    traits: ClassVar[Traits] = Traits("voices", Reads("corpus"))

    speaker: SpeakerName = Field(description="engine in `engines.speaker` that compares clips")
    auditor: Annotated[SpeakerName | None, ADDED] = Field(
        None,
        description="engine in `engines.speaker` by which privacy is judged: neither the one that compares clips nor "
        "the embedder's; `audition.speaker` must be the same. null: `speaker` judges too, and the card says so",
    )
    embedder: EmbedderName = Field(description="engine in `engines.embedder`; its vectors are what the TTS speaks with")
    gender: GenderName
    mos: MOSName | None = Field(None, description="engine in `engines.mos`; null: no quality is measured")
    asr: ASRName | None = Field(None, description="recognizer of clips without a transcript")
    min_seconds: float = Field(0.5, ge=0, description="shorter clips are rejected")
    max_seconds: float = Field(30.0, gt=0, description="longer clips are rejected")


class Speakers(StageSettings):
    """Mines real speakers from all measured clips."""

    traits: ClassVar[Traits] = Traits("voices", Reads("clips", Scope.ALL), keeps_rows=False, may_keep_none=True)

    mining: MiningSettings = Field(MiningSettings(), description="what makes a recording one real speaker")


class Blend(StageSettings):
    """Blends pairs of speakers into candidate voices."""

    traits: ClassVar[Traits] = Traits("voices", Reads("speakers", Scope.ALL), keeps_rows=False)

    blending: BlendingSettings = Field(BlendingSettings(), description="how many voices, of which parents")


class AuditionPrompts(Settings):
    """Keeps a recording of each voice: its first probe sentence in each language that it speaks, marked as all speech.

    Engines that speak from a recording of the speaker speak with these. One takes about 0.1 MB.
    """

    watermark: WatermarkName
    payload: str | None = Field(None, description="hex; null: presence only")


class Audition(StageSettings):
    """Lets each candidate speak, and measures its speech."""

    traits: ClassVar[Traits] = Traits("voices", Reads("blend", Scope.SLICE))

    tts: TTSName
    speaker: SpeakerName = Field(description="measures privacy and likeness: the auditor, `clips.auditor`")
    asr: ASRName
    mos: MOSName | None = Field(None, description="engine in `engines.mos`; null: no quality is measured")
    probes: dict[Language, tuple[str, ...]] = Field(description="sentences that each candidate speaks")
    unit: Annotated[ErrorUnits, ADDED] = {"zh": "character", "en": "word"}
    prompts: Annotated[AuditionPrompts | None, ADDED] = Field(
        None, description="keep a recording of each voice for engines that speak from one; null: no audio is kept"
    )
    backchannels: Annotated[VoiceWords | None, ADDED] = Field(None, description="keep short words of each; null: none")


class Voices(StageSettings):
    """Chooses the voice library from the auditions."""

    traits: ClassVar[Traits] = Traits(
        "voices",
        Reads("audition", Scope.ALL),
        also=(Reads("clips", Scope.ALL),),
        keeps_rows=False,
        renames_rows=True,  # a kept candidate gets its final id
        may_keep_none=True,
    )

    privacy: PrivacySettings = Field(PrivacySettings(), description="what a candidate must show")


class Synthesize(StageSettings):
    """Speaks each dialogue with two voices of the library."""

    traits: ClassVar[Traits] = Traits("speech", Reads("spoken"), also=(Reads("voices", Scope.LIBRARY),), speaks=True)

    tts: TTSName
    tries: int = Field(3, ge=1, description="seeds tried per turn")
    seconds_per_character: dict[Language, tuple[float, float]] = Field(
        {"zh": (0.10, 0.60), "en": (0.03, 0.20)}, description="range outside which a turn is spoken again"
    )
    max_silence: Annotated[SilenceLimits, ADDED] = Field(
        SilenceLimits(), description="beyond which a turn is spoken again"
    )
    loudness: Annotated[LoudnessSettings | None, ADDED] = Field(
        None, description="one level for every utterance, set before it is marked; null: as the TTS speaks"
    )
    keep_tokens: Annotated[bool, ADDED, Field(description="keep the speech tokens that CosyVoice speaks from")] = False


class WatermarkStage(StageSettings):
    """Marks all speech as synthetic."""

    traits: ClassVar[Traits] = Traits("speech", Reads("synthesize"), replaces="synthesize")

    watermark: WatermarkName
    payload: str | None = Field(None, description="hex; null: presence only")


class Measure(StageSettings):
    """Lets recognizer, quality model and watermark detector measure the marked speech."""

    traits: ClassVar[Traits] = Traits(
        "speech", Reads("watermark"), also=(Reads("voices", Scope.LIBRARY, when="auditor"),)
    )

    asr: ASRName
    watermark: WatermarkName
    auditor: Annotated[SpeakerName | None, ADDED] = Field(
        None, description="hears whether a turn sounds as its voice did in the audition: `audition.speaker`; null: no"
    )
    mos: MOSName | None = Field(None, description="engine in `engines.mos`; null: no quality is measured")


class Gate(StageSettings):
    """Keeps a dialogue whose speech says what its text says, whose mark is found, and that sounds as it should."""

    traits: ClassVar[Traits] = Traits("speech", Reads("measure"), may_keep_none=True)

    max_error: dict[Language, Annotated[float, Field(ge=0, le=1)] | None] = Field(
        {"zh": 0.05, "en": 0.10}, description="share of 1: CER (zh), WER (en); null: the error rate is not judged"
    )
    unit: ErrorUnits = {"zh": "character", "en": "word"}
    max_silence: Annotated[SilenceLimits, ADDED] = Field(
        SilenceLimits(), description="of any turn; longer ones are rejected as `silence`"
    )
    min_mos: Annotated[dict[str, float], ADDED] = Field(
        {}, description="lowest score of any turn by head (`dnsmos_ovrl`); lower ones are rejected as `low_mos`"
    )
    min_own_voice: Annotated[float | None, Field(ge=-1, le=1), ADDED] = Field(
        None, description="lowest cosine of a turn to its own voice, by measure.auditor; lower ones are `other_voice`"
    )
    hallucinations: Annotated[bool, ADDED] = Field(
        False, description="reject a turn heard as a phrase that recognizers invent (text.hallucinations)"
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

    @model_validator(mode="after")
    def _mos_is_measured(self) -> Stages:
        if self.gate.min_mos and self.measure.mos is None:
            raise ValueError("gate.min_mos: nothing is scored: name an engine in measure.mos, or remove min_mos")
        return self

    @model_validator(mode="after")
    def _follow_ups_are_answered(self) -> Stages:
        if self.spoken.follow_ups and not self.spoken.later_prompt:
            raise ValueError(
                "spoken.follow_ups: nothing answers them: name a prompt in spoken.later_prompt, or remove follow_ups"
            )
        return self

    @model_validator(mode="after")
    def _later_turns_are_said(self) -> Stages:
        for name, stage in (("rewrite", self.rewrite), ("spoken", self.spoken)):
            if self.ingest.max_turns > 2 and not (stage.by_rule or stage.later_prompt):
                raise ValueError(
                    f"ingest.max_turns: {self.ingest.max_turns}, but nothing makes later turns speakable: name a "
                    f"prompt in {name}.later_prompt, or set {name}.by_rule, or max_turns: 2"
                )
        return self

    @model_validator(mode="after")
    def _one_auditor(self) -> Stages:
        auditor, miner = self.clips.auditor, self.clips.speaker
        wanted, named = (auditor, "clips.auditor") if auditor else (miner, "clips.speaker")
        if self.audition.speaker != wanted:
            raise ValueError(
                f"audition.speaker: {self.audition.speaker!r} hears the voices, but real people's clips are heard by "
                f"{named}: {wanted!r}, so the two cannot be compared; set clips.auditor and audition.speaker alike"
            )
        if self.measure.auditor not in (None, wanted):
            raise ValueError(
                f"measure.auditor: {self.measure.auditor!r}, but the voices were heard by audition.speaker: "
                f"{wanted!r}; name the same one, or null"
            )
        if self.gate.min_own_voice is not None and self.measure.auditor is None:
            raise ValueError(
                "gate.min_own_voice: no turn is compared with its voice: name the auditor in measure.auditor, or "
                "remove min_own_voice"
            )
        privacy = self.voices.privacy
        if self.audition.mos is None and (privacy.min_scores or privacy.best_by):
            raise ValueError(
                "voices.privacy.min_scores, best_by: nothing is scored: name an engine in audition.mos, or remove them"
            )
        return self
