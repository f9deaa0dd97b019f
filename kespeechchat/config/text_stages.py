"""Settings and traits of the text stages, from instructions to spoken dialogues (see `config.stages`)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from kespeechchat.config.base import ADDED, Settings
from kespeechchat.config.dataset import SplitSettings
from kespeechchat.config.stage_base import (
    JudgeName,
    LLMName,
    PromptName,
    StageSettings,
)
from kespeechchat.config.traits import Reads, Scope, Traits
from kespeechchat.records import LANGUAGES, Language


def _of_both(given: Any) -> Any:
    """One figure stands for both languages."""
    if isinstance(given, bool) or not isinstance(given, (int, float, dict)):
        raise ValueError("give a number, or one a language: {zh: …, en: …}")
    return given if isinstance(given, dict) else dict.fromkeys(LANGUAGES, given)


Lengths = Annotated[dict[Language, Annotated[int, Field(ge=1)]], BeforeValidator(_of_both)]
Scores = Annotated[dict[Language, Annotated[float, Field(ge=0, le=1)]], BeforeValidator(_of_both)]


class Ingest(StageSettings):
    """Turns planned rows into instructions, or rejects them."""

    traits: ClassVar[Traits] = Traits("text", Reads("instructions", Scope.PLAN))

    max_characters: Lengths = Field({"zh": 100, "en": 100}, description="longest instruction kept, without its input")
    code_switching: bool = Field(True, description="whether a Chinese instruction may hold Latin words (我想学 Python)")

    max_turns: Annotated[
        int,
        ADDED,
        Field(
            ge=2,
            multiple_of=2,
            description="most turns that are taken of a conversation, the agent's counted; 2: its first exchange",
        ),
    ] = 2
    require_reference: Annotated[
        bool,
        ADDED,
        Field(description="reject a row whose source has no answer to what it asks, before a model is asked"),
    ] = False
    safety_rules: Annotated[
        bool, ADDED, Field(description="reject by `filter.safety_rules` already here, before a model is asked")
    ] = False
    suitability_rules: Annotated[
        bool, ADDED, Field(description="reject by `filter.suitability_rules` already here, before a model is asked")
    ] = False

    def relevant(self, language: str | None = None) -> dict[str, Any]:
        """Without `code_switching` where it is on: shards older than the setting were made so."""
        found = super().relevant(language)
        return {name: value for name, value in found.items() if name != "code_switching" or not value}


class Rewrite(StageSettings):
    """Rewrites each instruction as a question that a person would say aloud."""

    traits: ClassVar[Traits] = Traits("text", Reads("ingest"))

    llm: LLMName
    prompt: PromptName = Field("rewrite", description="for open instructions")
    directive_prompt: PromptName = Field("rewrite-directive", description="for directive tasks, without the directive")
    by_rule: Annotated[
        bool,
        ADDED,
        Field(description="keep what a person would already say, and frame a plain request as a question, by rule"),
    ] = False
    later_prompt: Annotated[
        PromptName | None,
        ADDED,
        Field(description="for a conversation's later user turns, with what was said before; null: by rule alone"),
    ] = None
    variants: int = Field(1, ge=1, description="questions made of one instruction")
    candidates: int = Field(1, ge=1, description="completions tried before a variant is given up")
    temperatures: tuple[float, ...] = Field((0.7,), min_length=1, description="of each candidate; the last one repeats")
    max_tokens: int = Field(128, ge=8, description="most tokens of one completion")
    max_length: Lengths = Field({"zh": 100, "en": 60}, description="characters (zh), words (en)")


class Criterion(Settings):
    """A question that a judge answers about each row."""

    prompt: PromptName = Field(description="name of the prompt file with the question; it names the reason too")
    judge: JudgeName
    threshold: Scores = Field({"zh": 0.5, "en": 0.5}, description="lowest score that passes")
    texts: tuple[Literal["question", "instruction"], ...] = Field(
        ("question",), min_length=1, description="what is judged; of several the lowest score counts"
    )


class Filter(StageSettings):
    """Rejects questions that are unfit for speech, unclear or unsafe."""

    traits: ClassVar[Traits] = Traits("text", Reads("rewrite"))

    criteria: tuple[Criterion, ...] = Field(description="all must be passed")
    safety_rules: bool = Field(True, description="also reject by the readable rules of text.safety")
    suitability_rules: bool = Field(True, description="also reject forms that no voice can give (text.suitability)")


class FollowUps(Settings):
    """Exchanges that a chat model adds: a question that the user would ask next, and its answer."""

    exchanges: dict[int, Annotated[float, Field(ge=0)]] = Field(
        {0: 1.0, 1: 1.0, 2: 1.0}, description="how many are added → how often, as a weight"
    )
    prompt: PromptName = Field("follow-up", description="for the question; `later_prompt` is for its answer")

    @model_validator(mode="after")
    def _can_be(self) -> FollowUps:
        if not sum(self.exchanges.values()) > 0 or min(self.exchanges) < 0:
            raise ValueError(
                f"exchanges: {self.exchanges} is no distribution: name counts from 0 on, at least one with a weight"
            )
        return self


class Spoken(StageSettings):
    """Turns a question into a spoken instruction and its response."""

    traits: ClassVar[Traits] = Traits("text", Reads("filter"))

    llm: LLMName
    prompt: PromptName = Field("spoken", description="for rows without a reference answer")
    grounded_prompt: PromptName = Field("spoken-grounded", description="for rows whose source has an answer")
    grounded: bool = Field(False, description="carry the source's answer in the prompt and hold the response to it")
    by_rule: Annotated[
        bool,
        ADDED,
        Field(description="make the source's own answer speakable by rule; the model is asked where no rule can"),
    ] = False
    later_prompt: Annotated[
        PromptName | None,
        ADDED,
        Field(description="for the answers of later exchanges, with what was said before; null: by rule alone"),
    ] = None
    follow_ups: Annotated[
        FollowUps | None, ADDED, Field(description="further exchanges, written by a chat model; null: none")
    ] = None
    require_reference: bool = Field(False, description="reject a row whose source has no answer to its question")
    candidates: int = Field(1, ge=1, description="completions tried before a row is given up")
    temperatures: tuple[float, ...] = Field((0.7,), min_length=1, description="of each candidate; the last one repeats")
    max_tokens: int = Field(512, ge=8, description="most tokens of one completion")
    max_length: Lengths = Field({"zh": 250, "en": 150}, description="longest response: characters (zh), words (en)")
    splits: SplitSettings = Field(SplitSettings(), description="which dialogues are held out")
