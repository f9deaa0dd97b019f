"""What a stage is: rows of one shard in, an outcome for each row out.

A stage declares what it reads; it knows no store and no runner. `setup` loads its engines once in the worker's
process; `process` may be called for any number of shards after it. Bump `version` when the output of the same input
and settings changes: it is part of the fingerprint, and `tests/stages/test_golden.py` fails when you forget.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

import pyarrow as pa

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.engines.registry import load
from kespeechchat.records import COMMON, SCHEMAS, Language, Outcome, failed


class Scope(Enum):
    """Which part of another stage's output a stage reads."""

    PLAN = "the rows that the planning pass gave the shard"
    SHARD = "the shard of the same number"
    SLICE = "a slice of the one shard of a reduce stage"
    ALL = "all shards"
    LIBRARY = "the pinned voice library"


@dataclass(frozen=True)
class Reads:
    """Kept rows of `stage`, `columns` of them (None: all), but for those that one of the stages `without` kept."""

    stage: str
    scope: Scope = Scope.SHARD
    columns: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One shard's work: its rows, what else the stage reads, by stage name, and where it stands."""

    shard: int
    language: Language | None
    rows: list[dict[str, Any]]
    also: dict[str, pa.Table] = field(default_factory=dict)


class Stage(ABC):
    name: ClassVar[str]
    round: ClassVar[int] = 0  # of speech, see `config.rounds`
    version: ClassVar[int] = 1
    source: ClassVar[Reads]  # whose rows it must account for, one by one
    also: ClassVar[tuple[Reads, ...]] = ()
    keeps_rows: ClassVar[bool] = True  # False: what comes out are other things than what went in (recordings, voices)

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.settings: Any = pipeline.settings_of(self.name)
        self.engines: dict[str, Any] = {}

    def setup(self) -> None:
        """Loads the stage's engines into `self.engines`."""

    @abstractmethod
    def process(self, task: Task) -> Iterable[Outcome]:
        """An outcome for each row of `task.rows` (for each of its variants)."""

    @property
    def fan_out(self) -> int:
        """Rows out per row in."""
        return 1

    def ids(self, row: dict[str, Any]) -> list[str]:
        """Of what comes out of `row`."""
        return [row["id"]] if self.fan_out == 1 else [f"{row['id']}-v{k}" for k in range(self.fan_out)]

    def failures(self, row: dict[str, Any], language: str | None, error: str) -> list[Outcome]:
        """What comes out of `row` where it could not be settled: its plain columns, and never speech."""
        known = set(self.schema.names) - set(COMMON.names)
        plain = {k: v for k, v in row.items() if k in known and (v is None or isinstance(v, (str, int, float)))}
        if "language" in known:
            plain.setdefault("language", language)
        if "parent" in known:
            plain.setdefault("parent", row["id"])
        return [failed({**plain, "id": id_}, error) for id_ in self.ids(row)]

    @property
    def schema(self) -> pa.Schema:
        return SCHEMAS[split_round(self.name)[0]]

    @classmethod
    def reads(cls) -> tuple[Reads, ...]:
        """All that it reads: its source first, then what its source is without, then what else."""
        return (cls.source, *(Reads(stage, columns=()) for stage in cls.source.without), *cls.also)

    @classmethod
    def reduces(cls) -> bool:
        return cls.source.scope is Scope.ALL

    def _engine(self, capability: str, name: str, key: str | None = None) -> Any:
        """Loads the profile's engine `name` once per process, however many stages name it."""
        settings = self.pipeline.engine(capability, name)
        named = (capability, settings.model_dump_json())
        with _loading:
            if named not in _loaded:
                _loaded[named] = load(settings)
            engine = _loaded[named]
        self.engines[key or capability] = engine
        return engine


_loaded: dict[tuple[str, str], Any] = {}  # (capability, settings) → engine
_loading = threading.Lock()  # shards in flight together must not load an engine twice


def output_kept(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    return [o.row for o in outcomes if o.status == "kept"]
