"""Commits recorded shards in place of models: plan, resume and status are measured and tested on them.

Every order of a plan gets a real commit (data file, record, names) whose rows are few and empty. No engine runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.inputs.screening import screen
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.records import SCHEMAS, Outcome
from kespeechchat.stages.flow import stage_versions
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Order
from kespeechchat.state.saved_profile import save_profile
from kespeechchat.state.voice_pin import pin
from kespeechchat.store.commit import CommitRecord, Counts, commit, new_attempt
from kespeechchat.store.interface import AlreadyExists, ObjectStore
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.shards import to_parquet

ANY_LANGUAGE = "stages.blend.blending.same_language=false"  # the recipe's clips are English


def questions(path: Path, count: int) -> Path:
    """A JSONL file of `count` plain questions with their answers, half of them Chinese."""
    rows = (
        {"instruction": f"How far away is place {n}?", "output": "It is farther than you can walk."}
        if n % 2
        else {"instruction": f"第{n}个地方有多远？", "output": "走路去不了那么远。"}
        for n in range(count)
    )
    with path.open("w", encoding="utf-8") as out:  # line by line: ten million at once take 2 GB
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def recipe(path: Path, clips: int) -> Path:
    """A speech recipe of `clips` clips, ten a recording."""
    lines = ["recordings:"]
    for n in range(0, clips, 10):
        texts = ", ".join(f"{{text: Clip number {i}.}}" for i in range(n, min(n + 10, clips)))
        lines.append(f"- {{id: r{n}, language: en, gender: female, style: {{af_heart: 1}}, clips: [{texts}]}}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


Rows = Callable[[Order], list[dict[str, Any]]]


def one_row(order: Order) -> list[dict[str, Any]]:
    """One row a shard, with an id alone."""
    return [{"id": f"{order.name}-{order.key.shard}"}]


def counted_row(order: Order) -> list[dict[str, Any]]:
    """One row a shard, with what the closing table of a build reads."""
    row = one_row(order)[0]
    if order.name == "voices":
        row |= {"role": "user"}
    if order.name == "gate":
        turn = {"text": "Hi", "seconds": 1.0, "watermark_score": 1.0, "scores": [{"head": "dnsmos_ovrl", "value": 3.0}]}
        turns = [{**turn, "role": role, "voice": f"{role}-{order.key.shard % 1000}"} for role in ("user", "agent")]
        row |= {"language": order.language, "split": "train", "metric": "CER", "error_rate": 0.0}
        row |= {"edits": 0, "units": 2, "seconds": 2.0, "turns": turns}
    return [row]


def fill(
    pipeline: Pipeline,
    store: ObjectStore,
    stages: Iterable[str] | None = None,
    rows: Rows = one_row,
    counted: Callable[[Order], int] | None = None,
) -> int:
    """Plans both branches and commits every pending shard of `stages` (None: of all), with `rows(order)` in it; in a
    later round of speech with none, for nothing was refused. Its record counts these rows, or says `counted(order)`
    of them. Returns how many shards."""
    save_profile(pipeline.model_copy(update={"versions": stage_versions()}))
    for branch in ("instructions", "speech"):
        manifest = shard_inputs(store, pipeline, branch)
        if branch == "instructions":
            screen(store, pipeline, manifest)
    wanted = set(stages) if stages is not None else None
    built = 0
    for unit in pipeline.units:
        if wanted is not None and unit.name not in wanted:
            continue
        build_state = BuildState(pipeline, store)  # a reduce stage before it may have changed what is known
        for state in build_state.states(unit.name).values():
            if state.state is not State.DONE:
                later = bool(split_round(unit.name)[1])
                made = [] if later else rows(state.order)
                record = record_shard(store, state.order, made, counted(state.order) if counted and not later else None)
                built += 1
                if unit.name == "voices":
                    pin(store, record)
    return built


def record_shard(
    store: ObjectStore, order: Order, rows: list[dict[str, Any]], counted: int | None = None
) -> CommitRecord:
    """Commits `rows` as the shard that `order` asks for; its record counts them, or says `counted`. Returns it."""
    counts = Counts(*[len(rows) if counted is None else counted] * 2)
    outcomes = [(order.name, Outcome(row)) for row in rows]
    record = CommitRecord(
        status="committed",
        stage=order.name,
        shard=order.key.shard,
        fingerprint=order.key.fingerprint,
        generation=order.key.generation,
        attempt=new_attempt(),
        language=order.language,
        ingredients=order.ingredients,
        counts={stage: counts for stage in order.unit},
        content="recorded" if order.name == "voices" else None,
    )
    return commit(store, order.name, record, to_parquet(outcomes, SCHEMAS[split_round(order.name)[0]]))


class Unsynced(LocalFolder):
    """A folder that is filled without fsync, where reading it is what is measured. Never for a build."""

    def create(self, key: str, data: bytes) -> None:
        try:
            self._write(key, data, "xb")
        except FileExistsError:
            raise AlreadyExists(key) from None

    def put(self, key: str, data: bytes) -> None:
        self._write(key, data, "wb")

    def _write(self, key: str, data: bytes, mode: str) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, mode) as file:
            file.write(data)
