"""Settings of the products: dialogue splits, partitions, ASR and TTS subsets."""

from __future__ import annotations

from re import fullmatch

from pydantic import Field, model_validator

from kespeechchat.config.base import Settings
from kespeechchat.records import Language


class SplitSettings(Settings):
    """Which dialogues are held out, by their text alone. Counts are expectations: a hash draws them."""

    dev: float = Field(2754, ge=0, description="dialogues of chat-dev among `of` (the paper's Table 9)")
    test: float = Field(2481, ge=0, description="dialogues of chat-test among `of`")
    of: float = Field(7_000_000, gt=0, description="dialogues expected in all; 1 makes dev and test shares")

    @model_validator(mode="after")
    def _fits(self) -> SplitSettings:
        if self.dev + self.test > self.of:
            raise ValueError(f"dev {self.dev} and test {self.test} are more than all dialogues ({self.of})")
        return self


class PartitionSize(Settings):
    """Hours per language, or a fraction of the hours that there are."""

    hours: dict[Language, float] | None = Field(None, description="hours per language")
    fraction: float | None = Field(None, gt=0, le=1, description="share of each language's training hours")

    @model_validator(mode="after")
    def _one(self) -> PartitionSize:
        if (self.hours is None) == (self.fraction is None):
            raise ValueError("a partition takes either `hours` (per language) or `fraction`")
        return self


def _paper() -> dict[str, PartitionSize]:
    hours = {"XS": 1000, "S": 4000, "M": 10_000, "L": 20_000}
    sized = {name: PartitionSize(hours={"zh": zh, "en": zh / 2}) for name, zh in hours.items()}
    return {**sized, "XL": PartitionSize(fraction=1)}


class PartitionSettings(Settings):
    """Nested partitions, smallest first."""

    sizes: dict[str, PartitionSize] = Field(
        default_factory=_paper, description="by name, smallest first (the paper's Table 2)"
    )

    @model_validator(mode="after")
    def _names(self) -> PartitionSettings:
        for name in self.sizes:
            if not fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", name):
                raise ValueError(f"sizes: {name!r} becomes a file name: letters, digits, - and _ only")
        return self


class ASRSubset(Settings):
    """User utterances to train and test recognizers on (the paper's Table 3). Small data give what they have."""

    partition: str = Field("S", description="train on this partition's user utterances")
    speakers: int | None = Field(
        None,
        ge=1,
        description="training speakers per language; null: all of the partition. The paper's table has 1000, with "
        "3,291 h; here a partition holds every voice, so that 1000 of them have a small share of its hours",
    )
    test_speakers: int = Field(100, ge=0, description="test speakers per language, of split test; each tests one")


class TTSSubset(Settings):
    """A few utterances of each of many speakers (the paper's Table 3)."""

    speakers: int = Field(2000, ge=1, description="training user voices; the agents come on top (the paper: 2,002)")
    utterances: dict[Language, int] = Field({"zh": 10, "en": 10}, description="training utterances per speaker")
    test_speakers: int = Field(100, ge=0, description="test speakers, of split test")
    prompts: int = Field(1, ge=1, description="prompt utterances per test speaker and language")
    test_utterances: dict[Language, int] = Field({"zh": 6, "en": 5}, description="utterances to say, beside prompts")


class SubsetSettings(Settings):
    """Parts of the dataset for other tasks than dialogue."""

    asr: ASRSubset = Field(ASRSubset(), description="to train and test recognizers on")
    tts: TTSSubset = Field(TTSSubset(), description="to train and test speech synthesis on")
