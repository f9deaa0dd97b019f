"""What a stage is: rows of one shard in, an outcome for each row out.

A stage knows no store and no runner. Its `name` ties it to its settings and traits in `config.stages`: what it reads,
its branch, whether it speaks. `setup` loads its engines once in the worker's process; `process` may be called for any
number of shards after it. Raise `version` when the output of the same input and settings changes: it is part of the
fingerprint, and `tests/stages/test_golden.py` fails when you forget.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import pyarrow as pa

from kespeechchat.config.flow import TRAITS
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.config.stage_base import StageSettings
from kespeechchat.config.traits import Reads, Scope, Traits
from kespeechchat.engines.registry import load
from kespeechchat.ids import variants
from kespeechchat.records import COMMON, SCHEMAS, Language, Outcome, failed

__all__ = ["Reads", "Recordings", "Row", "Scope", "Stage", "Task", "output_kept"]

Row = dict[str, Any]  # a row of an Arrow table: its keys are those of the stage's schema in `records.SCHEMAS`
S = TypeVar("S", bound=StageSettings)


class Recordings(Protocol):
    """The recordings of the library's voices, which are most of the library and stay in its file."""

    def of(self, voices: Iterable[str], language: str) -> Mapping[str, Row]:
        """`text` and `audio` (FLAC) of each voice's recording in `language`; nothing of a voice that has none."""
        ...


@dataclass(frozen=True)
class Task:
    """One shard's work: its number, its language (None: several), its rows, and what else the stage reads, by stage.

    `recordings`: of the voices, for a stage that is `prompted`.
    """

    shard: int
    language: Language | None
    rows: list[Row]
    also: dict[str, pa.Table] = field(default_factory=dict)
    recordings: Recordings | None = None

    @property
    def one_language(self) -> Language:
        """The language of a shard that has one. Raises ValueError for a shard of several."""
        if self.language is None:
            raise ValueError(f"shard {self.shard:05d} is of several languages; this stage works on one at a time")
        return self.language


class Stage(ABC, Generic[S]):
    """A stage of the flow. `S`: its settings in `config.stages`.

    A subclass sets `name` and `version`, and `columns` where it needs not all of what it reads: stage → the columns
    that it reads of it (`id` always comes along).
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    round: ClassVar[int] = 0  # of speech, see `config.rounds`
    traits: ClassVar[Traits]
    source: ClassVar[Reads]  # its traits', with the stage's `columns`; likewise `also`
    also: ClassVar[tuple[Reads, ...]]
    keeps_rows: ClassVar[bool]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A class with a name of its own takes the traits of that name; one derived from it (a round) inherits them."""
        super().__init_subclass__(**kwargs)
        if cls.__dict__.get("name") in TRAITS:
            traits = TRAITS[cls.name]
            cls.traits, cls.keeps_rows = traits, traits.keeps_rows
            cls.source = replace(traits.source, columns=cls.columns.get(traits.source.stage))
            cls.also = tuple(replace(reads, columns=cls.columns.get(reads.stage)) for reads in traits.also)

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.settings: S = pipeline.settings_of(self.name)
        self.engines: dict[str, Any] = {}

    def setup(self) -> None:
        """Loads the stage's engines into `self.engines`."""

    @abstractmethod
    def process(self, task: Task) -> Iterable[Outcome]:
        """An outcome for each row of `task.rows` (for each of its variants)."""

    @property
    def prompted(self) -> bool:
        """Whether it needs the recordings of the library's voices."""
        return False

    @property
    def fan_out(self) -> int:
        """Rows out per row in."""
        return 1

    def ids(self, row: Row) -> list[str]:
        """Of what comes out of `row`."""
        return variants(row["id"], self.fan_out)

    def failures(self, row: Row, language: str | None, error: str) -> list[Outcome]:
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
        """Of the rows that come out; a stage of a round has that of its base."""
        return SCHEMAS[split_round(self.name)[0]]

    @classmethod
    def reads(cls) -> tuple[Reads, ...]:
        """All that it reads: its source first, then what its source is without, then what else."""
        return (cls.source, *(Reads(stage, columns=()) for stage in cls.source.without), *cls.also)

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


def output_kept(outcomes: Iterable[Outcome]) -> list[Row]:
    """The rows of the outcomes that were kept: what the next stage gets."""
    return [o.row for o in outcomes if o.status == "kept"]
