"""Settings of the voice branch: mining real speakers, drawing their splits, blending, choosing the library."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kespeechchat.config.base import ADDED, RUNTIME, EngineRef, Settings
from kespeechchat.records import Language, Split


class CorpusScore(Settings):
    """The score that a corpus ships with its clips (head `corpus_dnsmos`), as WenetSpeech4TTS does."""

    min: float = Field(4.0, description="a clip counts when its corpus DNSMOS is above this (the paper: 4.0)")
    required: bool = Field(True, description="a clip without that score, and without a measured one, is left out")


class MeasuredScore(Settings):
    """A score that we measured, for clips whose corpus ships none: its scale is its own, so is its threshold."""

    head: str = Field(description="name of the head, e.g. dnsmos_ovrl, dnsmos_p808, utmos")
    min: float = Field(description="a clip counts when that head gives more than this")


class SpeakerSplitSettings(Settings):
    """Which real speakers are held out. Drawn before blending, so that no held-out voice has a training parent."""

    shares: dict[Split, float] = Field(
        {"train": 0.94, "dev": 0.02, "test": 0.04},
        description="share of the speakers of each gender and language (ours: the paper names none)",
    )
    per_cell: dict[Split, int] | None = Field(
        None, description="instead of shares: speakers per gender and language in dev and test; the rest is train"
    )

    @model_validator(mode="after")
    def _sums(self) -> SpeakerSplitSettings:
        if self.per_cell is None and (abs(sum(self.shares.values()) - 1) > 1e-6 or min(self.shares.values()) < 0):
            raise ValueError(f"shares: {self.shares} must be at least 0 and sum to 1")
        if self.per_cell is not None and ("train" in self.per_cell or min(self.per_cell.values(), default=0) < 0):
            raise ValueError(f"per_cell: {self.per_cell} names numbers for dev and test; train gets the rest")
        return self


class MiningSettings(Settings):
    """What makes a recording one real speaker."""

    corpus_score: CorpusScore = Field(CorpusScore(), description="limit on the score shipped with the corpus")
    measured_score: MeasuredScore | None = Field(None, description="used where a clip has no corpus score")
    min_clips: int = Field(10, ge=2, description="fewest clips over the score that a recording needs")
    max_clips: int = Field(2000, ge=10, description="longer recordings are sampled by hash (the clustering is O(n²))")
    similarity: float = Field(0.97, gt=-1, lt=1, description="x-vector cosine above which two clips are one speaker's")
    pairs_per_two_clips: int = Field(5, ge=1, description="pairs over `similarity` asked for per two clips: 5·⌊n/2⌋")
    rule: Literal["cluster", "paper"] = Field("cluster", description="paper: the pairs alone, every clip counts")
    cluster_share: float = Field(0.9, gt=0.5, le=1, description="share of the clips that the one cluster must hold")
    gender_share: float = Field(0.5, ge=0.5, lt=1, description="more than this share of the clips must agree")
    rate_step: float = Field(0.01, gt=0, description="speaking rate is rounded to this, seconds per character")
    balance_genders: bool = Field(True, description="as many female as male speakers: the surplus is left out by hash")
    splits: SpeakerSplitSettings = Field(SpeakerSplitSettings(), description="which of the speakers are held out")

    @model_validator(mode="after")
    def _attainable(self) -> MiningSettings:
        wanted, possible = self.pairs_needed(self.min_clips), self.min_clips * (self.min_clips - 1) // 2
        if wanted > possible:
            raise ValueError(
                f"pairs_per_two_clips: {self.pairs_per_two_clips} asks for {wanted} pairs of {self.min_clips} clips, "
                f"which make {possible}; lower it or raise min_clips"
            )
        return self

    def pairs_needed(self, clips: int) -> int:
        """Pairs over `similarity` that a recording of so many clips needs."""
        return self.pairs_per_two_clips * (clips // 2)


class BlendingSettings(Settings):
    """How many voices, and of which pairs of speakers."""

    users: dict[Split, int] = Field(
        {"train": 41_700, "dev": 100, "test": 200}, description="user voices per split (the paper: 42,000 in all)"
    )
    agents_per_gender: int = Field(1, ge=0, description="agentFemale and agentMale; per language if `same_language`")
    weight_min: float = Field(0.4, gt=0, lt=1, description="least weight of a parent")
    weight_max: float = Field(0.6, gt=0, lt=1, description="greatest weight of a parent")
    rate_bin: float = Field(0.01, gt=0, description="parents share this bin of seconds per character")
    same_language: bool = Field(False, description="parents share a language, and the voice speaks it alone")
    oversample: float = Field(1.2, ge=1, description="candidates per voice wanted: auditions reject some")
    agent_candidates: int = Field(4, ge=1, description="candidates per agent voice wanted")
    allow_fewer: bool = Field(False, description="too few pairs for a target: make what there is, instead of an error")
    least_spare: Annotated[int, ADDED] = Field(
        0, ge=0, description="candidates more than voices wanted that every cell of users has, however small it is"
    )
    voices_per_pair: Annotated[int, ADDED] = Field(
        1, ge=1, description="candidates that one pair may give; more than 1 needs `spread`"
    )
    spread: Annotated[str | None, EngineRef("embedder"), ADDED] = Field(
        None,
        description="engine in `engines.embedder` with a table of voices, which are chosen far apart and shared out "
        "among the pairs; null: a voice is the blend of its parents",
    )

    @model_validator(mode="after")
    def _several_differ(self) -> BlendingSettings:
        if self.voices_per_pair > 1 and self.spread is None:
            raise ValueError(
                f"voices_per_pair: {self.voices_per_pair}, but blends of one pair sound alike: name in `spread` an "
                "embedder that has a table of voices (kokoro_mixes), or set voices_per_pair to 1"
            )
        return self

    @model_validator(mode="after")
    def _weights(self) -> BlendingSettings:
        if self.weight_min > self.weight_max or abs(self.weight_min + self.weight_max - 1) > 1e-6:
            raise ValueError(f"weight_min {self.weight_min} and weight_max {self.weight_max} must lie evenly about 0.5")
        return self


class Range(Settings):
    """The values that pass."""

    min: float = Field(description="least value that passes")
    max: float = Field(description="greatest value that passes")


Cosine = Annotated[float, Field(gt=-1, le=1)]


class SpreadPromise(Settings):
    """How unlike the voices of one gender and language must be, all pairs together. `kesc voices` holds them to it."""

    median: Cosine = Field(description="greatest median of the cosines of all pairs")
    p95: Cosine = Field(description="greatest 95th percentile of them")


class PrivacySettings(Settings):
    """What a candidate's own speech must show before it becomes a voice. Cosines are the auditor's."""

    speaker_threshold: float = Field(
        0.97, gt=-1, lt=1, description="same-speaker cosine of the measuring encoder: at or above, it is that person"
    )
    voice_threshold: Cosine | dict[Language, Cosine] = Field(
        0.97, description="cosine at or above which two voices are one; by language, that of the later voice counts"
    )
    spread: Annotated[dict[Language, SpreadPromise], ADDED] = Field(
        {}, description="what the library promises besides, by language"
    )
    min_scores: Annotated[dict[str, dict[Language, float]], ADDED] = Field(
        {}, description="lowest mean score of the probe sentences by head (`dnsmos_ovrl`) and language"
    )
    best_by: Annotated[str | None, ADDED] = Field(
        None,
        description="head by which the best agents come first, and users where `spread` gives no order; null: hash",
    )
    max_error_rate: dict[Language, float] = Field(
        {"zh": 0.05, "en": 0.10}, description="CER (zh) and WER (en) of the probe sentences (the gate's limits)"
    )
    seconds_per_character: dict[Language, Range] = Field(
        {"zh": Range(min=0.10, max=0.50), "en": Range(min=0.03, max=0.15)},
        description="range of the speaking rate of the probe sentences",
    )
    block: Annotated[int, Field(ge=16, description="rows of a block of the cosine arithmetic"), RUNTIME] = 1024
