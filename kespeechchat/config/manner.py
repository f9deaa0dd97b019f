"""In which manners turns are spoken: settings of what is drawn for each turn, by its role and by what it says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from kespeechchat.config.base import Settings
from kespeechchat.config.engine_base import EngineSettings
from kespeechchat.records import LANGUAGES, Language, Role

Ending = Literal["question", "exclamation", "statement"]
ENDINGS: tuple[Ending, ...] = ("question", "exclamation", "statement")
PLAIN = "plain"  # what statistics call a turn without a manner
_ROLES: tuple[Role, ...] = ("user", "agent")
_ROUNDING = 1e-9  # of sums of shares

Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Manner(Settings):
    """A manner of speaking, which `share` of the turns that it fits are spoken in: faster or slower than the engine's
    own pace, or as a text tells it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", description="by which turns and statistics call it")
    share: float = Field(gt=0, le=1, description="of the turns that it fits, those that are spoken so")
    role: Literal["user", "agent", "both"] = Field("both", description="fits turns of this side alone")
    languages: tuple[Language, ...] = Field(LANGUAGES, min_length=1, description="fits dialogues of these alone")
    ends: tuple[Ending, ...] = Field(ENDINGS, min_length=1, description="fits turns that end so, by their last mark")
    words: dict[Language, tuple[Text, ...]] | None = Field(
        None, description="fits turns that say one of these, for each of `languages`; null: whatever they say"
    )
    speed: tuple[float, float] | None = Field(
        None, description="times the engine's own pace, drawn from this range, or one number; null: that pace"
    )
    instruct: dict[Language, Text] | None = Field(
        None, description="what the engine is told of how to speak, for each of `languages`; null: nothing of its own"
    )

    @field_validator("name")
    @classmethod
    def _not_plain(cls, name: str) -> str:
        if name == PLAIN:
            raise ValueError(f"{name}: so statistics call a turn without a manner; take another name")
        return name

    @field_validator("speed", mode="before")
    @classmethod
    def _a_number_is_a_range(cls, speed: Any) -> Any:
        return (speed, speed) if isinstance(speed, (int, float)) and not isinstance(speed, bool) else speed

    @field_validator("speed")
    @classmethod
    def _rises(cls, speed: tuple[float, float] | None) -> tuple[float, float] | None:
        if speed and not 0 < speed[0] <= speed[1]:
            raise ValueError(f"{list(speed)}: a range goes from low to high, above 0; 1.0 is the engine's own pace")
        return speed

    @model_validator(mode="after")
    def _does_what_it_says(self) -> Manner:
        if self.instruct is None and self.speed in (None, (1.0, 1.0)):
            raise ValueError(f"{self.name}: changes nothing: give it a `speed` other than 1.0, or `instruct`")
        for name, by_language in (("words", self.words), ("instruct", self.instruct)):
            missing = [] if by_language is None else [lang for lang in self.languages if not by_language.get(lang)]
            if missing:
                left = [lang for lang in self.languages if lang not in missing]
                instead = f", or set languages: [{', '.join(left)}]" if left else ""
                raise ValueError(f"{self.name}: {name}.{missing[0]}: is missing: give it{instead}")
            if unused := [lang for lang in by_language or () if lang not in self.languages]:
                raise ValueError(
                    f"{self.name}: {name}.{unused[0]}: no turn has it, for languages is [{', '.join(self.languages)}]: "
                    f"remove it, or add {unused[0]} to languages"
                )
        return self

    def relevant(self, language: str | None = None) -> dict[str, Any]:
        """Without `languages`: a shard of one of them does not depend on the others."""
        return {name: value for name, value in super().relevant(language).items() if name != "languages"}


def check_manners(manners: Sequence[Manner]) -> None:
    """Raises ValueError where two have one name, or a turn could be of more than all manners that fit it."""
    names = [manner.name for manner in manners]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{twice}: two manners have this name; give each its own")
    for role, language, ending in product(_ROLES, LANGUAGES, ENDINGS):
        fitting = [m for m in manners if m.role in (role, "both") and language in m.languages and ending in m.ends]
        if (total := sum(m.share for m in fitting)) > 1 + _ROUNDING:
            raise ValueError(
                f"share: of the {role}'s turns in {language} that are a {ending}, {', '.join(m.name for m in fitting)} "
                f"take {total:.4g} together: make that at most 1 (what is left is spoken plainly)"
            )


def check_engine(manners: Sequence[Manner], name: str, engine: EngineSettings) -> None:
    """Raises ValueError where the TTS engine `name` cannot speak in one of the manners."""
    what = f"the tts engine {name!r} ({engine.use})"
    for manner in manners:
        can, where = engine.manners(manner.languages), f"manner: {manner.name}:"
        if manner.speed and can.speeds is None:
            raise ValueError(f"{where} speed: {list(manner.speed)}: {what} takes no speed: {can.for_speed}")
        if manner.speed and can.speeds and not can.speeds[0] <= manner.speed[0] <= manner.speed[1] <= can.speeds[1]:
            low, high = can.speeds
            raise ValueError(f"{where} speed: {list(manner.speed)}: {what} takes {low} to {high}: stay within")
        if manner.instruct and not can.instructions:
            told = next(iter(manner.instruct.values()))
            raise ValueError(f"{where} instruct: {told!r}: {what} takes no instructions: {can.for_instructions}")
