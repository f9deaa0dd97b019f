"""Backchannels: short words of the listener. Which words each voice says, and where an export puts them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from kespeechchat.config.base import EngineRef, Settings
from kespeechchat.config.speech import LoudnessSettings
from kespeechchat.records import Language

Spellings = dict[str, tuple[str, ...]]


class VoiceWords(Settings):
    """Lets each voice say short words in its audition, marked and measured as all speech, and keeps them: once a voice,
    for every dialogue. One word takes some 20 kB."""

    watermark: Annotated[str, EngineRef("watermark")] = Field(description="name of an engine in `engines.watermark`")
    payload: str | None = Field(None, description="hex; null: presence only")
    words: dict[Language, Spellings] = Field(
        {
            "zh": {"原来如此。": (), "我知道了。": (), "没错。": (), "明白了。": ()},
            "en": {"Exactly.": (), "That's right.": (), "Absolutely.": (), "I know.": (), "Right.": ()},
        },
        description="what is said, with other spellings under which a recognizer may write it; the default words are "
        "those that Whisper base reads of at least two of three of Kokoro's voices a language",
    )
    loudness: LoudnessSettings | None = Field(
        None, description="one level for every word; give it what `synthesize.loudness` has"
    )


class BackchannelTiming(Settings):
    """Where the listener says a word: at pauses inside the other's turn."""

    probability: float = Field(0.0, ge=0, le=1, description="of each pause at which there may be one; 0: none")
    gap: float = Field(
        3.0,
        gt=0,
        description="seconds, at least, between two of them, and to both ends of the turn and to any own turn",
    )
    min_pause: float = Field(0.2, gt=0, description="seconds; a shorter pause is passed over")
    beyond: float = Field(
        1.0, ge=0, description="seconds that a word may still be heard when the other speaks on; longer ones do not fit"
    )

    @model_validator(mode="after")
    def _can_be(self) -> BackchannelTiming:
        if self.beyond > self.gap:
            raise ValueError(
                f"beyond: {self.beyond} is over gap: {self.gap}, so a word could reach over the end of the turn"
            )
        return self
