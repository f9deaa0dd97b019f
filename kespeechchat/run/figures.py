"""What `kesc plan` reads: measured shards from the commit records of a build, row counts from the inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from kespeechchat.config.pipeline import InstructionInput, Pipeline
from kespeechchat.run.estimate import Sample
from kespeechchat.run.inputs import input_rows
from kespeechchat.run.plan import Plan, State
from kespeechchat.stages.flow import STAGE_CLASSES
from kespeechchat.store.commit import CommitRecord, ShardKey, record_key
from kespeechchat.store.objects import ObjectStore

_MOST = 256  # records of one unit that are opened, evenly over its shards
_HEAD = 2000  # rows of an input whose languages stand for the whole


@dataclass(frozen=True)
class Measured:
    """Samples of a build, and how many of its records they are."""

    root: str
    samples: list[Sample]
    committed: dict[str, int] = field(default_factory=dict)  # unit → shards committed
    superseded: tuple[str, ...] = ()  # units with no shard of the profile as it is now: older ones stand in


def read_samples(pipeline: Pipeline, store: ObjectStore) -> Measured:
    """Samples of the shards in `store`: the current ones of a unit, or the superseded where it has no other."""
    plan = Plan(pipeline, store)
    samples: list[Sample] = []
    committed, superseded = {}, []
    for unit in pipeline.units:
        name = unit[-1]
        keys = sorted(s.order.key for s in plan.states(name).values() if s.state is State.DONE)
        if not keys:
            keys = sorted(ShardKey(n, fp, gen) for (n, fp), gen in plan.listing(name).committed.items())
            superseded += [name] if keys else []
        committed[name] = len(keys)
        chosen = keys[:: max(1, -(-len(keys) // _MOST))]
        with ThreadPoolExecutor(8) as pool:
            samples += pool.map(lambda key, unit=unit: _sample(store, unit, key), chosen)
    return Measured(store.url, samples, committed, tuple(superseded))


def _sample(store: ObjectStore, unit: tuple[str, ...], key: ShardKey) -> Sample:
    data = store.get(record_key(unit[-1], key))
    record = CommitRecord.from_json(data)
    first, last = record.counts[unit[0]], record.counts[unit[-1]]
    fan_out = 1
    for stage in unit:
        fan_out *= record.counts[stage].fan_out
    keeps_rows = all(STAGE_CLASSES[stage].keeps_rows for stage in unit)
    size = record.size + len(data)
    trials = first.rows_in * fan_out
    return Sample(
        unit[-1],
        record.language,
        first.rows_in,
        trials,
        last.kept,
        record.seconds,
        size,
        record.audio_seconds,
        keeps_rows,
    )


def instruction_rows(pipeline: Pipeline, rows: int | None = None) -> dict[str, float]:
    """Rows per language in the profile's instruction files, counted; `rows`: that many in all, in the same shares.

    Languages are told by the profile, or by each file's first 2,000 rows. Raises ConfigError for a missing file.
    """
    found: Counter[str] = Counter()
    for item in pipeline.instructions.inputs:
        head = [row.language or "en" for row in islice(input_rows(item), _HEAD)]
        count = len(head) if len(head) < _HEAD else count_rows(item)
        count = min(count, pipeline.instructions.limit or count)
        for language, n in Counter(head).items():
            found[language] += count * n / len(head)
    total = sum(found.values())
    scale = rows / total if rows and total else 1.0
    return {language: found[language] * scale for language in sorted(found, reverse=True)}


def count_rows(item: InstructionInput) -> int:
    """Rows of a JSONL or Parquet file, without parsing them."""
    path = Path(item.path)
    if path.suffix == ".parquet":
        return pq.read_metadata(path).num_rows
    with open(path, "rb") as file:
        return sum(1 for line in file if line.strip())


def clip_rows(pipeline: Pipeline) -> dict[str, float]:
    """Clips per language in the profile's speech inputs, counted."""
    found: Counter[str] = Counter()
    for item in pipeline.speech.inputs:
        found.update(row.language or "en" for row in islice(input_rows(item), pipeline.speech.limit))
    return {language: float(found[language]) for language in sorted(found, reverse=True)}


def candidates(pipeline: Pipeline, users: int | None = None) -> float:
    """Voice candidates that blending is asked for; `users`: for that many user voices."""
    blending = pipeline.stages.blend.blending
    wanted = (users if users is not None else sum(blending.users.values())) * blending.oversample
    agents = blending.agents_per_gender * 2 * (2 if blending.same_language else 1)
    return wanted + agents * blending.agent_candidates


def chains(pipeline: Pipeline) -> tuple[Sequence[str], Sequence[str]]:
    """Units that dialogues pass, in order, and units of the voice branch."""
    voices = {"corpus", "clips", "speakers", "blend", "audition", "voices"}
    dialogues = [unit[-1] for unit in pipeline.units if not voices & set(unit)]
    return dialogues, [unit[-1] for unit in pipeline.units if voices & set(unit)]
