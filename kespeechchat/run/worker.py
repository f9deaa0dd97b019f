"""A worker: builds shards of one unit, in whatever process the runner put it.

    journal → read inputs → process → Parquet → commit → close journal

The engines are loaded once, at the first shard. Whatever is raised while a shard is made becomes that shard's failure
record; the build goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import socket
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from typing import Any

import pyarrow as pa

from kespeechchat import __version__
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.records import KEPT, Outcome
from kespeechchat.run.plan import Input, Order
from kespeechchat.stages.base import Scope, Stage, Task, output_kept
from kespeechchat.stages.flow import STAGE_CLASSES
from kespeechchat.store.commit import CommitRecord, Counts, commit, commit_failure, new_attempt, read_record
from kespeechchat.store.journal import close_attempt, open_attempt, open_attempts
from kespeechchat.store.manifest import Manifest
from kespeechchat.store.objects import ObjectStore, StoreError, open_store
from kespeechchat.store.shards import CorruptShard, count, read_sound_record, read_table, to_parquet

MAX_DEATHS = 3  # of a worker that ran the shard alone, before the shard is given up


@dataclass(frozen=True)
class Built:
    """What became of an order. `counts` and seconds feed progress and guards."""

    unit: str
    shard: int
    language: str | None
    status: str  # committed | failed | stale (an input is corrupt) | fatal (an engine that cannot work at all)
    counts: dict[str, Counts] = field(default_factory=dict)
    seconds: float = 0.0
    audio_seconds: float = 0.0
    error: str | None = None
    examples: tuple[str, ...] = ()  # a few rejected rows, for the guards' message
    stem: str = ""  # of the commit record's name, where there is one


class Worker:
    """`session` and `node` name the driver's run and this machine in the attempt journal."""

    def __init__(self, pipeline: Pipeline, unit: Sequence[str], session: str, node: str) -> None:
        self.pipeline, self.unit = pipeline, tuple(unit)
        self.session, self.node = session, node
        self.store: ObjectStore = open_store(pipeline.root)
        self.stages: list[Stage] = [STAGE_CLASSES[name](pipeline) for name in self.unit]
        self._ready = False
        self._library: tuple[str, pa.Table] | None = None

    def load(self) -> None:
        """Loads the engines, once."""
        if not self._ready:
            for stage in self.stages:
                stage.setup()
            self._ready = True

    def build(self, order: Order) -> Built:
        name, key, attempt, began = order.name, order.key, new_attempt(), time.monotonic()
        if standing := self._standing(order):
            return standing
        deaths = self._deaths(order)
        if deaths >= MAX_DEATHS:
            error = f"its worker died {deaths} times while it ran alone; the shard is given up"
            built = self._give_up(order, attempt, error, began)
            self._forget_attempts(order)
            return built
        open_attempt(self.store, name, key, attempt, self.session, self.node)
        try:
            self.load()
            began = time.monotonic()  # loading is the process's, not the shard's: `kesc plan` counts on it
            settled, counts = self._process(order)
            record = self._record(order, attempt, settled, counts, time.monotonic() - began)
            record = commit(self.store, name, record, to_parquet(settled, self.stages[-1].schema))
        except EngineDead:  # only a new process helps; the open attempt says that this shard was in it
            raise
        except (EngineError, ConfigError, StoreError) as error:  # no shard's fault: the build stops and says why
            with contextlib.suppress(StoreError):
                close_attempt(self.store, name, key, attempt)
            return Built(name, key.shard, order.language, "fatal", error=str(error))
        except CorruptShard as error:  # its input's fault: that is marked, and the next plan builds both again
            close_attempt(self.store, name, key, attempt)
            return Built(name, key.shard, order.language, "stale", error=str(error))
        except Exception as error:  # whatever it is, it is this shard's failure and no one else's
            built = self._give_up(order, attempt, f"{type(error).__name__}: {error}", began, traceback.format_exc())
            close_attempt(self.store, name, key, attempt)
            return built
        self._forget_attempts(order)
        return _built(order, record, _examples(settled))

    def _standing(self, order: Order) -> Built | None:
        """The shard where it is committed already: its worker or node was lost after that, and Ray asks again."""
        try:
            return _built(order, read_record(self.store, order.name, order.key))
        except FileNotFoundError:
            return None

    # --- one shard

    def _process(self, order: Order) -> tuple[list[tuple[str, Outcome]], dict[str, Counts]]:
        """Runs the unit's stages one after the other; what passes between them stays in memory."""
        settled: list[tuple[str, Outcome]] = []
        counts: dict[str, Counts] = {}
        rows = self._source_rows(order)
        outcomes: list[Outcome] = []
        for position, stage in enumerate(self.stages):
            task = Task(order.key.shard, order.language, rows, self._also(stage, order))  # type: ignore[arg-type]
            outcomes = list(stage.process(task))
            counts[stage.name] = _conserved(stage, rows, outcomes)
            if position < len(self.stages) - 1:
                settled += [(stage.name, _without_audio(o)) for o in outcomes if o.status != KEPT]
                rows = output_kept(outcomes)
        return settled + [(self.stages[-1].name, o) for o in outcomes], counts

    def _source_rows(self, order: Order) -> list[dict[str, Any]]:
        source = self.stages[0].source
        if source.scope is Scope.PLAN:
            assert order.planned is not None
            return Manifest(self.store, source.stage).rows(order.planned)
        given = next(i for i in order.inputs if i.stage == source.stage)
        return self._read(given, source.columns).to_pylist()

    def _also(self, stage: Stage, order: Order) -> dict[str, pa.Table]:
        tables = {}
        for reads in stage.also:
            if reads.scope is Scope.LIBRARY:
                tables[reads.stage] = self._voices(order)
            elif reads.stage not in self.unit:
                tables[reads.stage] = self._read(next(i for i in order.inputs if i.stage == reads.stage), reads.columns)
        return tables

    def _read(self, given: Input, columns: Sequence[str] | None) -> pa.Table:
        records = [read_sound_record(self.store, given.unit, key) for key in given.keys]
        table = pa.concat_tables(read_table(self.store, given.unit, record, columns) for record in records)
        return table.slice(given.start, None if given.stop is None else given.stop - given.start)

    def _voices(self, order: Order) -> pa.Table:
        if order.library is None:
            raise RuntimeError("no voice library is pinned yet; build the stages up to voices first")
        if self._library is None or self._library[0] != order.library.content:
            record = read_sound_record(self.store, "voices", order.library.key)
            self._library = (order.library.content, read_table(self.store, "voices", record))
        return self._library[1]

    # --- records

    def _record(
        self,
        order: Order,
        attempt: str,
        settled: list[tuple[str, Outcome]],
        counts: dict[str, Counts],
        seconds: float,
        error: str | None = None,
    ) -> CommitRecord:
        kept = [o.row for _, o in settled if o.status == KEPT]
        engines = {f"{s.name}.{k}": e for s in self.stages for k, e in s.engines.items()}
        return CommitRecord(
            status="failed" if error else "committed",
            stage=order.name,
            shard=order.key.shard,
            fingerprint=order.key.fingerprint,
            generation=order.key.generation,
            attempt=attempt,
            language=order.language,
            inputs={k.removeprefix("input:"): v for k, v in order.ingredients.items() if k.startswith("input:")},
            ingredients=order.ingredients,
            counts=counts,
            content=_content(kept) if order.name == "voices" else None,
            schema=[f"{f.name}: {f.type}" for f in self.stages[-1].schema],
            seconds=round(seconds, 3),
            audio_seconds=round(sum(map(_audio_seconds, kept)), 3),
            engines={name: engine.identity() for name, engine in engines.items()},
            deterministic=all(engine.deterministic for engine in engines.values()),
            versions=_versions(),
            host=socket.gethostname(),
            error=error,
        )

    def _give_up(self, order: Order, attempt: str, error: str, began: float, trace: str = "") -> Built:
        seconds = time.monotonic() - began
        record = self._record(order, attempt, [], {}, seconds, error=f"{error}\n{trace}".strip())
        commit_failure(self.store, order.name, record)
        return Built(order.name, order.key.shard, order.language, "failed", {}, seconds, error=error)

    # --- blame

    def _deaths(self, order: Order) -> int:
        """Attempts at this shard whose worker died alone, on this node, under this driver."""
        entries = open_attempts(self.store, order.name).get((order.key.shard, order.key.fingerprint), [])
        return sum(1 for e in entries if e.session == self.session and e.node == self.node and e.alone)

    def _forget_attempts(self, order: Order) -> None:
        name, key = order.name, order.key
        for entry in open_attempts(self.store, name).get((key.shard, key.fingerprint), []):
            close_attempt(self.store, name, key, entry.attempt)


def _built(order: Order, record: CommitRecord, examples: tuple[str, ...] = ()) -> Built:
    return Built(
        order.name,
        record.shard,
        order.language,
        record.status,
        record.counts,
        record.seconds,
        record.audio_seconds,
        examples=examples,
        stem=record.key.stem,
    )


def _conserved(stage: Stage, rows: list[dict[str, Any]], outcomes: list[Outcome]) -> Counts:
    """The stage's counts; raises where it lost or doubled a row."""
    if stage.keeps_rows:
        expected = sorted(
            row["id"] if stage.fan_out == 1 else f"{row['id']}-v{k}" for row in rows for k in range(stage.fan_out)
        )
        got = sorted(outcome.row["id"] for outcome in outcomes)
        if got != expected:
            raise RuntimeError(f"stage {stage.name} got {len(expected)} rows to settle and settled {len(got)} others")
    return count(stage.name, len(rows), outcomes, stage.fan_out)


def _without_audio(outcome: Outcome) -> Outcome:
    """A rejected row of a fused stage is published without what it spoke: that speech carries no watermark."""
    if "turns" not in outcome.row:
        return outcome
    turns = [{**turn, "audio": None} for turn in outcome.row["turns"] or []]
    return Outcome({**outcome.row, "turns": turns}, outcome.status, outcome.reason, outcome.detail)


def _audio_seconds(row: dict[str, Any]) -> float:
    if row.get("turns"):
        return sum(turn.get("seconds") or 0.0 for turn in row["turns"])
    return row.get("seconds") or 0.0


def _content(rows: list[dict[str, Any]]) -> str:
    """Hash of the voice library's rows: what audio depends on."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda r: r["id"]):
        said = {k: row[k] for k in ("id", "role", "language", "gender", "split", "seconds_per_character")}
        digest.update(json.dumps(said, sort_keys=True).encode())
        digest.update(pa.array(row["embedding"], pa.float32()).to_numpy().tobytes())
    return digest.hexdigest()[:16]


def _examples(settled: list[tuple[str, Outcome]]) -> tuple[str, ...]:
    lost = [(s, o) for s, o in settled if o.status != KEPT]
    return tuple(f"{o.row['id']}: {s}: {o.reason}: {(o.detail or '')[:160]}" for s, o in lost[:5])


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """Versions of the libraries that make or measure the data, as installed here."""
    named = ("numpy", "pyarrow", "torch", "onnxruntime", "xllamacpp", "faster-whisper", "ctranslate2", "misaki")
    found = {"python": platform.python_version(), "kespeechchat": __version__}
    for name in named:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
