"""Everything that a report says of a build, gathered before it is put on a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kespeechchat.commands.report.choice import Group, choose, with_speech
from kespeechchat.commands.report.distributions import Row, rows
from kespeechchat.commands.report.library import VoiceFigures, voice_figures
from kespeechchat.commands.report.stages import Branch, Failure, Work, branches, failures, sizes, work
from kespeechchat.commands.report.survey import Survey, sample_of, survey
from kespeechchat.commands.status import status
from kespeechchat.commands.summary import planned_inputs
from kespeechchat.config.flow import GATE
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.provenance import Departure
from kespeechchat.dataset.origins import Corpus, corpus_of, departures_of
from kespeechchat.dataset.quality import PAPER as PAPER_QUALITY
from kespeechchat.dataset.statistics import PAPER
from kespeechchat.display import NOTHING, counted, hours, percent
from kespeechchat.listening.dialogues import Dialogues
from kespeechchat.listening.page import score_name
from kespeechchat.records import LANGUAGES
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.counts_cache import CountsCache
from kespeechchat.store.commit import Counts
from kespeechchat.store.interface import ObjectStore

FAILURES = 20  # that are shown
_PAPER_ERRORS = {"zh": "rejects CER over 5%", "en": "rejects WER over 10%"}  # arXiv 2412.01078: the gate's limits


@dataclass(frozen=True)
class Tile:
    """One figure of the summary: its name, the value, what it is made of, and what the paper states."""

    name: str
    value: str
    detail: str = ""
    paper: str = ""


@dataclass(frozen=True)
class Build:
    """One build, read. `found`: what `commands.status.status` gives; `shards`: those whose dialogues
    were looked at, as `seen` tells; `kept`, `hours`: gated dialogues by language."""

    pipeline: Pipeline
    build_state: BuildState
    found: Mapping[str, Any]
    dialogues: Dialogues
    seen: Survey
    shards: Sequence[int]
    kept: Mapping[str, int]
    hours: Mapping[str, float]
    voices: VoiceFigures | None
    corpus: Corpus


@dataclass(frozen=True)
class Contents:
    """A build's own part of the page."""

    build: Build
    tiles: tuple[Tile, ...]
    missing: tuple[str, ...]
    branches: tuple[Branch, ...]
    rounds: Mapping[str, Any]
    charts: tuple[Row, ...]
    constants: tuple[str, ...]
    works: tuple[Work, ...]
    groups: tuple[Group, ...]
    silent: int
    failures: tuple[Failure, ...]
    failed: int
    departures: tuple[Departure, ...]


def read_build(pipeline: Pipeline, store: ObjectStore) -> Build:
    """Reads what a report needs of a build. Raises ConfigError where ROOT has none."""
    build_state = BuildState(pipeline, store)
    found = status(pipeline, store, build_state)
    if not any(stage["done"] or stage["stale"] or stage["failed"] for stage in found["stages"]):
        raise ConfigError(f"{store.url}: no build here; run `kesc build PIPELINE --root {store.url}`")
    dialogues = Dialogues(build_state)
    shards = sample_of(dialogues, sizes(build_state)) if dialogues.shards else []
    seen = survey(dialogues, shards)
    kept, spoken = _gated(build_state)
    corpus, voices = corpus_of(planned_inputs(build_state)), voice_figures(build_state)
    return Build(pipeline, build_state, found, dialogues, seen, shards, kept, spoken, voices, corpus)


def contents(build: Build) -> Contents:
    """All of one build, dialogues with their speech."""
    groups, silent = with_speech(build.dialogues, choose(build.dialogues, build.seen))
    charts, constants = rows(build.pipeline, build.seen)
    failed = sum(stage["failed_rows"] + stage["failed"] for stage in build.found["stages"])
    return Contents(
        build=build,
        tiles=tuple(tiles(build)),
        missing=tuple(_missing(build)),
        branches=tuple(branches(build.build_state, build.found)),
        rounds=build.found["rounds"],
        charts=tuple(charts),
        constants=tuple(constants),
        works=tuple(work(build.build_state, build.found)),
        groups=tuple(groups),
        silent=silent,
        failures=tuple(failures(build.build_state, FAILURES)) if failed else (),
        failed=failed,
        departures=tuple(departures_of(build.pipeline, build.corpus)),
    )


def _gated(build_state: BuildState) -> tuple[dict[str, int], dict[str, float]]:
    """Kept dialogues, and hours of them, by language, of all rounds: from the counts alone."""
    kept: dict[str, int] = {}
    spoken: dict[str, float] = {}
    for gate in build_state.pipeline.in_rounds(GATE):
        unit = build_state.pipeline.unit_of(gate).name
        done = build_state.done(unit)
        counts = CountsCache(build_state.store, unit).counts(order.key for order in done)
        for order in done:
            own: Counts = counts[order.key][gate]
            language = order.language or NOTHING
            kept[language] = kept.get(language, 0) + own.kept
            spoken[language] = spoken.get(language, 0.0) + sum(own.seconds.values()) / 3600
    return kept, spoken


def tiles(build: Build) -> Iterator[Tile]:
    """The summary; what is not there yet is left out, and told by `missing`."""
    seen, languages = build.seen, [lang for lang in LANGUAGES if lang in build.kept]
    if build.kept:
        each = ", ".join(f"{build.kept[lang]:,} {lang}" for lang in languages)
        yield Tile("Dialogues", f"{sum(build.kept.values()):,}", each, PAPER["dialogues"])
        each = ", ".join(f"{_spoken(build.hours[lang])} {lang}" for lang in languages)
        yield Tile("Speech", _spoken(sum(build.hours.values())), each, f"{PAPER['hours']} hours")
    if build.voices:
        users = sum(n for (role, _), n in build.voices.counts.items() if role == "user")
        people = counted(build.voices.people, "person", "people")
        told = f"{counted(users, 'user')}, {counted(build.voices.voices - users, 'agent')}; of {people}"
        yield Tile("Voices", f"{build.voices.voices:,}", told, PAPER["speakers"])
    for (language, metric), (edits, units) in sorted(seen.edits.items(), reverse=True):
        rates = seen.of("error_rate", language, True)
        told = f"of kept dialogues; nine in ten at most {percent(float(np.quantile(rates, 0.9)), 1)}"
        yield Tile(f"{metric}, {language}", percent(edits / units if units else None), told, _PAPER_ERRORS[language])
    for head in ("dnsmos_ovrl", "distillmos", "utmos"):
        each_values = {lang: seen.of(f"score:{head}", lang, True) for lang in languages}
        every = np.concatenate(list(each_values.values())) if each_values else np.zeros(0)
        if len(every):
            told = ", ".join(f"{v.mean():.2f} {lang}" for lang, v in each_values.items() if len(v))
            paper = f"{PAPER_QUALITY[head]}" if head in PAPER_QUALITY else ""
            yield Tile(score_name(head), f"{every.mean():.2f}", f"kept turns: {told}", paper)
    if seen.marked[1]:
        told = f"of {seen.marked[1]:,} kept turns"
        yield Tile("Watermark found", percent(seen.marked[0] / seen.marked[1], 1), told)


def _spoken(value: float) -> str:
    """Hours for a reader; minutes where there is less than one."""
    return f"{60 * value:.1f} min" if value < 1 else f"{hours(value)} h"


def _missing(build: Build) -> Iterator[str]:
    """What is not there, a sentence each."""
    for stage in build.found["stages"]:
        undone = {k: stage[k] for k in ("pending", "stale", "failed") if stage[k]}
        if not stage["shards"]:
            yield f"{stage['name']}: no shard yet; the stages before it come first."
        elif undone:
            told = ", ".join(f"{n:,} {state}" for state, n in undone.items())
            yield f"{stage['name']}: {told} of {counted(stage['shards'], 'shard')}."
