"""What `kesc plan` reads: measured shards from the commit records of a build, row counts from the inputs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from kespeechchat.commands.plan.arithmetic import Figures, Sample
from kespeechchat.commands.plan.chains import chains
from kespeechchat.config.flow import GATE
from kespeechchat.config.inputs import InstructionInput
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.inputs.reading import input_rows
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.profile_models import engines_of
from kespeechchat.store.commit import ShardKey
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.shards import read_sound_record

_MOST = 256  # records of one unit that are opened, evenly over its shards
_HEAD = 2000  # rows of an input whose languages stand for the whole


@dataclass(frozen=True)
class Measured:
    """Samples of a build, and how many of its records they are."""

    root: str
    samples: list[Sample]
    committed: dict[str, int] = field(default_factory=dict)  # unit → shards committed
    superseded: tuple[str, ...] = ()  # units with no shard of the profile as it is now: older ones stand in
    others: dict[str, tuple[str, str]] = field(default_factory=dict)  # unit → engines measured, engines of the profile


ByUnit = Mapping[tuple[str, str | None], Figures]  # of (unit, language)


def read_samples(pipeline: Pipeline, store: ObjectStore) -> Measured:
    """Samples of the shards in `store`: the current ones of a unit, or the superseded where it has no other."""
    build_state = BuildState(pipeline, store)
    samples: list[Sample] = []
    committed, superseded, others = {}, [], {}
    for unit in pipeline.units:
        name = unit.name
        keys = [order.key for order in build_state.done(name)]
        if not keys:
            keys = sorted(ShardKey(n, fp, gen) for (n, fp), gen in build_state.listing(name).committed.items())
            superseded += [name] if keys else []
        committed[name] = len(keys)
        chosen = keys[:: max(1, -(-len(keys) // _MOST))]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda key, unit=unit: _sample(store, unit, key), chosen))
        samples += found
        now = {name for stage in unit for name in engines_of(pipeline, stage)}
        then = {name for sample in found for name in sample.engines}
        if then - now:
            others[name] = (", ".join(sorted(then - now)), ", ".join(sorted(now - then)))
    return Measured(store.url, samples, committed, tuple(superseded), others)


def _sample(store: ObjectStore, unit: Unit, key: ShardKey) -> Sample:
    record = read_sound_record(store, unit.name, key)
    first, last = record.counts[unit.first], record.counts[unit.name]
    fan_out = 1
    for stage in unit:
        fan_out *= record.counts[stage].fan_out
    keeps_rows = all(stage_class(stage).keeps_rows for stage in unit)
    size = record.size + len(record.to_json())
    trials = first.rows_in * fan_out
    return Sample(
        unit.name,
        record.language,
        first.rows_in,
        trials,
        last.kept,
        record.seconds,
        size,
        record.audio_seconds,
        keeps_rows,
        record.cold,
        _engines(record.ingredients),
    )


def _engines(ingredients: Mapping[str, str]) -> tuple[str, ...]:
    """The engines among a shard's ingredients, which are named STAGE.CAPABILITY:NAME."""
    names = (key.partition(".")[2] for key in ingredients)
    return tuple(sorted({name for name in names if ":" in name and not name.startswith("prompt:")}))


def instruction_rows(pipeline: Pipeline, rows: int | None = None) -> dict[str, float]:
    """Rows per language in the profile's instruction files, counted; `rows`: that many in all, in the same shares.

    Languages are given by the profile, or recognized in each file's first 2,000 rows.
    Raises ConfigError for a missing file.
    """
    found: defaultdict[str, float] = defaultdict(float)
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
        return int(pq.read_metadata(path).num_rows)
    with open(path, "rb") as file:
        return sum(1 for line in file if line.strip())


def clip_rows(pipeline: Pipeline) -> dict[str, float]:
    """Clips per language in the profile's speech inputs, counted."""
    found: Counter[str] = Counter()
    for item in pipeline.speech.inputs:
        found.update(row.language or "en" for row in islice(input_rows(item), pipeline.speech.limit))
    return {language: float(found[language]) for language in sorted(found, reverse=True)}


def own_rows(pipeline: Pipeline, figures: ByUnit, rows: int | None, notes: list[str]) -> dict[str, float]:
    """Rows per language of the profile's inputs; where a file is not here, `rows` in the measured build's shares.

    `notes` gets a line about such files. Raises ConfigError where one is not here and `rows` is None.
    """
    absent = [item.path for item in pipeline.instructions.inputs if not Path(item.path).exists()]
    if not absent:
        return instruction_rows(pipeline, rows)
    if rows is None:
        raise ConfigError(f"{absent[0]}: no such input file; put it there, or estimate without it: --rows N")
    first = pipeline.units[0].name
    measured = {language: f.rows for (unit, language), f in figures.items() if unit == first and language}
    notes.append(f"{', '.join(absent)}: not here, so the languages' shares of the rows are those measured")
    return {language: rows * n / sum(measured.values()) for language, n in measured.items()}


def own_clips(pipeline: Pipeline, figures: ByUnit, notes: list[str]) -> dict[str, float]:
    """Clips per language of the profile's speech inputs; where a file is not here, as many as were measured."""
    absent = [item.path for item in pipeline.speech.inputs if not Path(item.path).exists()]
    if not absent:
        return clip_rows(pipeline)
    notes.append(f"{', '.join(absent)}: not here, so as many clips as measured are assumed")
    first = chains(pipeline).clips[0]
    return {language: float(f.rows) for (unit, language), f in figures.items() if unit == first and language}


def dialogues_for_targets(pipeline: Pipeline, figures: ByUnit) -> dict[str, float]:
    """Dialogues per language that reach the profile's target hours in every split that has one."""
    splits = pipeline.stages.spoken.splits
    held_out = {"dev": splits.dev / splits.of, "test": splits.test / splits.of}
    shares = {**held_out, "train": 1 - sum(held_out.values())}
    wanted: dict[str, float] = {}
    for language, targets in pipeline.target_hours.items():
        last = figures.get((pipeline.unit_of(GATE).name, language))
        if targets and last and last.audio:
            wanted[language] = max(hours * 3600 / last.audio / shares[split] for split, hours in targets.items())
    return wanted


def candidates(pipeline: Pipeline, users: int | None = None) -> float:
    """Voice candidates that blending is asked for; `users`: for that many user voices."""
    blending = pipeline.stages.blend.blending
    wanted = (users if users is not None else sum(blending.users.values())) * blending.oversample
    agents = blending.agents_per_gender * 2 * (2 if blending.same_language else 1)
    return wanted + agents * blending.agent_candidates
