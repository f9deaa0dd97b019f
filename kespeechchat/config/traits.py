"""What the rest of the program must know of a stage before it runs: its branch, what it reads, whether it speaks.

These traits stand beside each stage's settings (`config.stages`), not in the class that does the stage's work
(`stages.*`), because a profile is checked against them when it is loaded: whether stages may be fused, whether a phase
can run. `config` is below `stages` and may not import it. The class takes its traits from here by its name, so each is
written once; `config.flow` derives from them whatever `kesc plan`, `kesc doctor`, targets, clean and verify ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

Branch = Literal["text", "voices", "speech", "interleave"]
InputBranch = Literal["instructions", "speech", "documents"]  # whose planned rows a chain of stages begins with
Chain = Literal["dialogues", "interleave"]  # what is built: `kesc build`, `kesc interleave`


class Scope(Enum):
    """Which part of another stage's output a stage reads."""

    PLAN = "the rows that the planning pass gave the shard"
    SHARD = "the shard of the same number"
    SLICE = "a slice of the one shard of a reduce stage"
    ALL = "all shards"
    LIBRARY = "the pinned voice library"


@dataclass(frozen=True)
class Reads:
    """Kept rows of `stage`, `columns` of them (None: all), without the rows that one of the stages `without` kept.

    `when`: the reader's setting without which it reads none of it, so that nothing of it is in its fingerprint either.
    """

    stage: str
    scope: Scope = Scope.SHARD
    columns: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    when: str | None = None

    def asked_for(self, settings: object) -> bool:
        """Whether a stage of these settings reads it."""
        return self.when is None or bool(getattr(settings, self.when))


@dataclass(frozen=True)
class Traits:
    """What a stage is, apart from what it does.

    branch: `text` makes dialogues, `voices` makes the voice library, `speech` speaks dialogues and judges the speech.
        A round repeats the stages of `speech`. `interleave` is a chain of its own, which speaks parts of documents.
    source: whose rows the stage must account for, one by one.
    also: what else it reads.
    keeps_rows: a row in is a row out (or its variants). False: other things come out than went in.
    renames_rows: of a stage that does not keep rows: one row comes out for each that went in, under a new id.
    speaks: makes the speech of dialogues. Target hours and `audio_ahead` hold shards back before this stage.
    replaces: the stage whose audio this stage's audio takes the place of.
    may_keep_none: of a handful of sound rows it may reject all, for good reason; `kesc doctor` does not mind.
    """

    branch: Branch
    source: Reads
    also: tuple[Reads, ...] = ()
    keeps_rows: bool = True
    renames_rows: bool = False
    speaks: bool = False
    replaces: str | None = None
    may_keep_none: bool = False

    @property
    def reduces(self) -> bool:
        """Whether the stage reads all shards at once and makes one."""
        return self.source.scope is Scope.ALL

    @property
    def reads(self) -> tuple[Reads, ...]:
        """Its source first, then what else it reads."""
        return (self.source, *self.also)
