"""What a build is made of: files of instructions and corpora of speech, and which of their rows are planned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kespeechchat.config.base import RUNTIME, Settings
from kespeechchat.config.screening import NearDuplicates, Overlap
from kespeechchat.records import Language

InstructionLayout = Literal[
    "auto",
    "alpaca",
    "alpaca-seed",
    "belle",
    "dolly",
    "instruction-response",
    "messages",
    "openorca",
    "prompt-completion",
    "prompt-response",
    "query-response",
    "question-answer",
    "sharegpt",
    "text",
]
_ORIGIN = "who made it, for the dataset card; null: the card says `not stated`"
_LICENCE = "its licence, for the dataset card; null: the card says `not stated`"


class InstructionInput(Settings):
    """A file of instructions, or a folder of them."""

    path: str = Field(description="JSON, Parquet, CSV or text file, or a folder of them, relative to the profile")
    language: Language | None = Field(
        None, description="null: recognized row by row, and rows in other languages are rejected"
    )
    source: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", description="null: the file's name")
    layout: InstructionLayout = Field("auto", description="auto: of each row by its keys")
    columns: dict[Literal["instruction", "input", "reference", "task"], str] = Field(
        {}, description="the file's own column for each of ours, where the layout is none of the known ones"
    )
    origin: Annotated[str | None, RUNTIME] = Field(None, description=_ORIGIN)
    licence: Annotated[str | None, RUNTIME] = Field(None, description=_LICENCE)


class Instructions(Settings):
    """Instruction text, from which dialogues are made."""

    inputs: tuple[InstructionInput, ...] = Field(description="files of instructions")
    shard_size: int = Field(350, ge=1, description="rows planned into one shard")
    limit: int | None = Field(None, ge=1, description="plan only the first N rows of each input")
    near_duplicates: NearDuplicates | None = Field(
        None, description="rejects rows that say nearly the same as an earlier one; null: only exact duplicates are"
    )
    exclude: tuple[InstructionInput, ...] = Field(
        (), description="files of texts that must not be in the dataset, such as benchmarks, in any form of `inputs`"
    )
    overlap: Overlap = Field(Overlap(), description="when a row counts as a text of `exclude`")


class SpeechInput(Settings):
    """A corpus of speech."""

    path: str = Field(
        description="a manifest (TSV, CSV, JSON, Parquet), a corpus as it is unpacked, a folder of audio, or a recipe "
        "to synthesize (YAML)"
    )
    language: Language | None = Field(None, description="null: as the manifest says")
    speaker_folder: int | None = Field(
        None,
        ge=1,
        description="of a folder of audio, or of a manifest's paths: the level whose folders are people, from 1",
    )
    channel: Literal[0, 1, "mix"] | None = Field(
        None, description="which channel of stereo holds the speech; null: stereo whose channels differ is rejected"
    )
    origin: Annotated[str | None, RUNTIME] = Field(None, description=_ORIGIN)
    licence: Annotated[str | None, RUNTIME] = Field(None, description=_LICENCE)


class Speech(Settings):
    """Speech of real people, from which voices are made."""

    inputs: tuple[SpeechInput, ...] = Field(description="corpora of speech")
    shard_size: int = Field(500, ge=1, description="clips of one shard")
    limit: int | None = Field(None, ge=1, description="plan only the first N clips of each input")
    audition_shard_size: int = Field(100, ge=1, description="candidates of one audition shard")
