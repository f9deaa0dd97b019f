"""Settings of `kesc interleave`: documents become sequences in which text and speech tokens alternate.

The chain is after "Scaling Speech-Text Pre-training with Synthetic Interleaved Data" (arXiv 2411.17607), whose mean
span and ratio are the defaults. docs/interleave.md says what of the paper is here and what is not.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from kespeechchat.config.base import RUNTIME, EngineRef, Settings
from kespeechchat.config.stage_base import StageSettings, TTSName
from kespeechchat.config.traits import Reads, Scope, Traits

TokensName = Annotated[str, EngineRef("tokens"), Field(description="name of an engine in `engines.tokens`")]
MARK = re.compile(r"<\|[^|<>\s]+\|>")  # what every mark looks like, and no text of a document


class DocumentInput(Settings):
    """A file of documents, or a folder of them: Parquet, JSON lines, or plain text with one document a line."""

    path: str = Field(description="relative to the profile; it is read where it is, so it must stay as it was planned")
    text: str = Field("text", description="the key or column that holds the text")
    source: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", description="null: the file's name")


class Spans(StageSettings):
    """Chooses the spans of each document that are to be speech, and says how they are read aloud."""

    traits: ClassVar[Traits] = Traits("interleave", Reads("documents", Scope.PLAN))

    ratio: float = Field(0.3, gt=0, lt=1, description="share of a document's words from which no more spans are drawn")
    mean_words: float = Field(10, ge=1, le=200, description="mean of the Poisson distribution of span lengths")
    max_characters: int = Field(100_000, ge=1, description="longer documents are rejected as `too_long`")


class Interleaved(StageSettings):
    """Turns each span into speech tokens."""

    traits: ClassVar[Traits] = Traits("interleave", Reads("spans"), also=(Reads("voices", Scope.LIBRARY),))

    tokens: TokensName
    tts: TTSName | None = Field(
        None, description="engine in `engines.tts` that speaks a span; null: the tokens engine takes text itself"
    )


class InterleaveStages(Settings):
    """One field a stage, in order; they are fused, so that a document's text is stored once, in what is made of it."""

    spans: Spans = Field(Spans(), description="which parts of a document become speech")
    interleaved: Interleaved = Field(description="what speaks them and what makes the tokens")


class Marks(Settings):
    """How speech tokens are written into a text. Each mark looks like `<|name|>`: documents that hold such a form are
    refused, so no document can ever write one."""

    begin: str = Field("<|begin_of_speech|>", description="before the tokens of a span")
    end: str = Field("<|end_of_speech|>", description="after them")
    token: str = Field("<|speech_{}|>", description="one token; {} is its number (of several codebooks: {c}_{n})")

    @model_validator(mode="after")
    def _are_marks(self) -> Marks:
        if self.token.count("{}") != 1:
            raise ValueError(f"token: {self.token!r} must hold {{}} once, where the number goes: <|speech_{{}}|>")
        forms = [self.begin, self.end, self.token.replace("{}", "0")]
        for form in forms:
            if not MARK.fullmatch(form):
                raise ValueError(
                    f"{form!r} is no mark: write <|name|>, without white space, because only such forms are kept out "
                    "of the documents"
                )
        numbered = re.compile(re.escape(self.token).replace(r"\{\}", r"[\d_]+"))
        if self.begin == self.end or numbered.fullmatch(self.begin) or numbered.fullmatch(self.end):
            raise ValueError("begin, end and token must be different marks")
        return self


class Interleave(Settings):
    """The chain of `kesc interleave`."""

    inputs: tuple[DocumentInput, ...] = Field((), description="files of documents; `--input` replaces them")
    shard_size: int = Field(100, ge=1, description="documents planned into one shard")
    stages: InterleaveStages = Field(description="settings of each stage of the chain")
    marks: Annotated[Marks, RUNTIME] = Field(Marks(), description="how tokens are written; changed, nothing is stale")
