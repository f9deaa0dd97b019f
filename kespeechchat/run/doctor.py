"""`kesc doctor`: what can be found out before the week begins, with the cure for each finding.

Checks ROOT (writable, atomic creation, room), the inputs (there, readable, few malformed rows), the models (present),
and then sends a canary: one row through every stage, each in a process of its own with the stage's resources and
environment, so that an import, a checkpoint or a missing GPU shows here. Nothing of the canary is written to ROOT, and
its voice is thrown away with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pyarrow as pa

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.stages import Resources
from kespeechchat.records import KEPT, SCHEMAS, Outcome
from kespeechchat.run.inputs import input_rows
from kespeechchat.stages.base import Task
from kespeechchat.stages.flow import STAGE_CLASSES
from kespeechchat.store.commit import new_attempt
from kespeechchat.store.manifest import PlannedRow
from kespeechchat.store.objects import AlreadyExists, ObjectStore, StoreError, open_store

_ROWS = 200  # of each input that are looked at
_TRIES = 12  # rows that the canary may lose to the filters on its way
_ROOM = 5 << 30  # bytes of free disk under which ROOT is called full


@dataclass(frozen=True)
class Finding:
    well: bool
    check: str
    told: str


def doctor(pipeline: Pipeline, address: str, inline: bool) -> Iterator[Finding]:
    """Findings in the order of the checks. Later checks go on whatever earlier ones found."""
    yield from _guarded("ROOT", lambda: _root(open_store(pipeline.root)))
    rows: dict[str, list[PlannedRow]] = {"instructions": [], "speech": []}
    for branch, found in rows.items():
        for item in getattr(pipeline, branch).inputs:
            yield from _guarded(f"input {item.path}", lambda item=item, found=found: _input(item, found))
    yield from _canary(pipeline, rows, address, inline)


def _guarded(check: str, look: Callable[[], str]) -> Iterator[Finding]:
    try:
        yield Finding(True, check, look())
    except Exception as error:  # a doctor reports whatever he meets, and goes on
        yield Finding(False, check, f"{type(error).__name__}: {error}" if not str(error) else str(error))


def _root(store: ObjectStore) -> str:
    key = f"plan/.doctor-{new_attempt()}"
    store.create(key, b"first")
    try:
        store.create(key, b"second")
    except AlreadyExists:
        pass
    else:
        raise StoreError(f"{store.url}: creates an object that exists; builds could lose shards. Use another store")
    finally:
        store.delete(key)
    if "://" in store.url:
        return f"{store.url}: writable, creates atomically (its free room cannot be asked for)"
    free = shutil.disk_usage(store.url).free
    if free < _ROOM:
        raise StoreError(f"{store.url}: {free / 2**30:.1f} GiB free; make room or choose another --root")
    return f"{store.url}: writable, creates atomically, {free / 2**30:.0f} GiB free"


def _input(item: Any, found: list[PlannedRow]) -> str:
    rows = list(islice(input_rows(item), _ROWS))
    sound = [row for row in rows if row.problem is None]
    found += sound
    if not sound:
        first = rows[0].problem if rows else "it is empty"
        raise ConfigError(f"none of its first {len(rows)} rows can be read: {first}")
    bad = len(rows) - len(sound)
    example = next((f"; the first: {row.problem}" for row in rows if row.problem), "")
    return f"{len(sound)} of its first {len(rows)} rows are sound{example if bad else ''}"


# --- the canary


def _canary(pipeline: Pipeline, rows: dict[str, list[PlannedRow]], address: str, inline: bool) -> Iterator[Finding]:
    with _Runner(pipeline, address, inline) as run:
        try:
            spoken = yield from _through(run, _planned(rows["instructions"]), ("ingest", "rewrite", "filter", "spoken"))
            heard = [row for row in rows["speech"] if row.language == spoken["language"]] or rows["speech"]
            clips = yield from _through(run, _planned(heard), ("corpus", "clips"))
            voices = _voices(spoken, clips)
            candidate = voices.to_pylist()[:1]
            yield from _through(run, candidate, ("audition",))
            spoken = {**spoken, "split": "train"}
            yield from _through(run, [spoken], ("synthesize", "watermark", "measure", "gate"), {"voices": voices})
        except _Stop:
            return


class _Stop(Exception):
    """The canary died; the finding that says so has been given."""


def _through(
    run: _Runner, rows: list[dict[str, Any]], stages: tuple[str, ...], also: dict[str, pa.Table] | None = None
) -> Any:
    """Sends rows through `stages` until one row has passed them all; returns that row. Yields a finding per stage."""
    for stage in stages:
        outcomes: list[Outcome] = []
        try:
            language = rows[0].get("language") if rows else None
            outcomes = run(stage, Task(0, language, rows, also or {}))
        except Exception as error:  # of any engine, in any environment
            yield Finding(False, f"canary {stage}", str(error) or type(error).__name__)
            raise _Stop from None
        kept = [o.row for o in outcomes if o.status == KEPT]
        if not kept:
            told = "; ".join(f"{o.reason}: {o.detail}" for o in outcomes[:3]) or "no row came this far"
            yield Finding(stage == "gate", f"canary {stage}", f"no row was kept ({told[:300]})")
            if stage == "gate":
                return None
            raise _Stop
        yield Finding(True, f"canary {stage}", f"{len(kept)} of {len(outcomes)} rows kept")
        rows = kept
    return rows[0]


def _planned(rows: list[PlannedRow]) -> list[dict[str, Any]]:
    """The first rows of one language, as the planning pass would hand them to the first stage."""
    own = [row for row in rows if row.language == rows[0].language][:_TRIES] if rows else []
    keys = ("source", "file", "line", "raw", "problem", "language")
    return [{"id": row.id, "occurrence": 1, **{k: getattr(row, k) for k in keys}} for row in own]


def _voices(spoken: dict[str, Any], clip: dict[str, Any]) -> pa.Table:
    """A library of one user and one agent that both speak as the canary's clip does."""
    voice = {
        "language": spoken["language"],
        "gender": clip["gender"],
        "split": "train",
        "embedding": clip["tts_embedding"],
    }
    rows = [{**voice, "id": name, "role": role} for name, role in (("canary-user", "user"), ("canary-agent", "agent"))]
    common = {"status": KEPT, "stage": "voices", "reason": None, "detail": None}
    return pa.Table.from_pylist([{**row, **common} for row in rows], schema=SCHEMAS["voices"])


class _Runner:
    """Runs a stage's `process` in this process, or in an actor with the stage's resources and environment."""

    def __init__(self, pipeline: Pipeline, address: str, inline: bool) -> None:
        self._pipeline, self._address, self._inline = pipeline, address, inline
        self._cluster: Any = None

    def __enter__(self) -> _Runner:
        if not self._inline:
            from kespeechchat.run.ray_runner import Cluster

            self._cluster = Cluster(self._address, new_attempt())
        return self

    def __exit__(self, *_: object) -> None:
        if self._cluster is not None:
            self._cluster.close()

    def __call__(self, stage: str, task: Task) -> list[Outcome]:
        if self._inline:
            return process(self._pipeline, stage, task)
        import ray

        wanted = self._pipeline.resources.get(stage, Resources())
        remote = ray.remote(process).options(
            num_cpus=wanted.num_cpus,
            num_gpus=wanted.num_gpus,
            resources=dict(wanted.resources),
            max_retries=0,
            **({"runtime_env": dict(wanted.runtime_env)} if wanted.runtime_env else {}),
        )
        waiting = remote.remote(self._pipeline, stage, task)
        ready, _ = ray.wait([waiting], timeout=1800)
        if not ready:
            raise RuntimeError(f"no answer in 30 minutes; does the cluster have {wanted.num_gpus} GPUs free for it?")
        return ray.get(waiting)


def process(pipeline: Pipeline, stage: str, task: Task) -> list[Outcome]:
    """The stage's outcomes on the task, engines loaded for it."""
    one = STAGE_CLASSES[stage](pipeline)
    one.setup()
    columns = one.source.columns
    if columns is not None:
        kept = {"id", *columns}
        task = replace(task, rows=[{k: v for k, v in row.items() if k in kept} for row in task.rows])
    return list(one.process(task))
