"""Trial rows: a few rows of each language go through every stage, so that a checkpoint or a GPU that fails shows here.

Each unit runs in a process of its own with its resources and environment, as a build's actors do. All languages of the
inputs go through it together, because a model may differ by language. Text, voices and speech are tried one after the
other. What one cannot deliver (a model is missing, all rows were rejected) is replaced by stand-ins, so that the next
is tried too. The stand-in voice is the clip's own: good enough to speak with, and thrown away with everything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pyarrow as pa

from kespeechchat.commands.doctor.finding import Finding
from kespeechchat.commands.doctor.inputs import Rows
from kespeechchat.commands.doctor.machines import Machines, resources_of
from kespeechchat.commands.doctor.stand_ins import (
    TableRecordings,
    dialogue,
    one_user_voice,
    speakers,
    table_of,
    voice_library,
)
from kespeechchat.config.flow import LIBRARY, SPEECH, TEXT, TRAITS, VOICES, one_language
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.config.traits import InputBranch, Reads, Scope
from kespeechchat.config.units import Unit
from kespeechchat.display import counted
from kespeechchat.records import KEPT, LANGUAGES, REJECTED, SCHEMAS, Language, Outcome
from kespeechchat.stages.base import Row, Task, output_kept
from kespeechchat.stages.flow import STAGE_CLASSES
from kespeechchat.state.profile_models import engines_of

_TRIED: dict[InputBranch, int] = {"instructions": 6, "speech": 2}  # rows of a language: filters reject some on the way
_PER_CLIP = tuple(stage for stage in VOICES if one_language(stage))


def _mining() -> tuple[str, ...]:
    """The stages that work on all clips, up to the first that may keep none: one clip is no speaker."""
    after = VOICES[len(_PER_CLIP) :]
    return after[: next(n for n, stage in enumerate(after, 1) if TRAITS[stage].may_keep_none)]


_MINING = _mining()
_CHOOSING = VOICES[len(_PER_CLIP) + len(_MINING) :]  # these get stand-ins for speakers

RowsOf = dict[Language | None, list[Row]]  # by language; None: of all languages together
Settled = list[tuple[str, list[list[Outcome]]]]  # per stage of a unit, the outcomes of each task
RunUnit = Callable[[Pipeline, Unit, Sequence[Task]], Settled]


@dataclass(frozen=True)
class Spoken:
    """What other trial rows are spoken with: the clips by language, and the recordings that the auditions kept."""

    clips: RowsOf
    prompts: Sequence[Row]

    def voices(self, language: Language) -> pa.Table:
        """A library of stand-ins, as the language's first clip sounds, or any clip where it has none."""
        every = [clip for of_one in self.clips.values() for clip in of_one]
        return voice_library(language, (self.clips.get(language) or every)[0], self.prompts)


def check(
    pipeline: Pipeline, there: Machines, rows: Rows, blocked: Mapping[str, str]
) -> Generator[Finding, None, Spoken | None]:
    """A finding per stage. `blocked`: stages that were found broken → the check that found it. Returns None where no
    clip could be measured."""
    trial = Trial(pipeline, there, blocked)
    instructions = _planned(rows, "instructions")
    composed = yield from trial.run(TEXT, instructions)
    clips = yield from trial.run(_PER_CLIP, _planned(rows, "speech"))
    if not clips:
        return None
    measured = list(chain.from_iterable(clips.values()))
    yield from trial.run(_MINING, {None: measured})
    yield from trial.run(_CHOOSING, {None: speakers(measured[0])})
    spoken = Spoken(clips, trial.prompts)
    dialogues: RowsOf = {}
    for language in instructions:
        assert language is not None
        made = composed.get(language, [])[:1] or [dialogue(language, rows["instructions"][language][0])]
        dialogues[language] = [{**row, "split": "train"} for row in made]
        trial.voices[language] = spoken.voices(language)
    yield from trial.run(SPEECH, dialogues)
    return spoken


class Trial:
    """Runs rows through units and reports on each of their stages. `by`: what runs a unit in the worker's process."""

    def __init__(
        self, pipeline: Pipeline, there: Machines, blocked: Mapping[str, str], by: RunUnit | None = None
    ) -> None:
        self._by = by or run_unit
        self._pipeline, self._there, self._blocked = one_user_voice(pipeline), there, blocked
        self._kept: dict[str, list[Row]] = {}  # by stage, of all languages
        self.voices: dict[Language | None, pa.Table] = {}  # the library that each language is spoken with

    @property
    def prompts(self) -> list[Row]:
        """Recordings that the tried auditions kept."""
        return [prompt for row in self._kept.get("audition", []) for prompt in row.get("prompts") or ()]

    def run(self, stages: Sequence[str], rows: RowsOf) -> Generator[Finding, None, RowsOf]:
        """Yields a finding per stage; returns what the last one kept, of the languages that came so far."""
        for unit in (unit for unit in self._pipeline.units if unit.first in stages):
            if not rows:
                return rows
            if broken := [stage for stage in unit if stage in self._blocked]:
                message = f"not tried, nor anything after it: see {self._blocked[broken[0]]}"
                yield Finding(False, f"trial of {unit}", message, "fix that first")
                return {}
            if TRAITS[unit.first].source.scope is Scope.SLICE:
                rows = {language: of_one[:1] for language, of_one in rows.items()}
            tasks = [self._task(unit, language, of_one) for language, of_one in rows.items()]
            began = time.monotonic()
            try:
                settled: Settled = self._there.as_actor(
                    resources_of(self._pipeline, unit.first), self._by, self._pipeline, unit, tasks
                )
            except Exception as error:  # of any engine, in any environment
                yield self._died(unit, error)
                return {}
            for stage, outcomes in settled:
                self._kept[stage] = output_kept(chain.from_iterable(outcomes))
                yield _judged(stage, dict(zip(rows, outcomes, strict=True)), time.monotonic() - began)
            rows = _kept(rows, settled[-1][1])
        return rows

    def _task(self, unit: Unit, language: Language | None, rows: list[Row]) -> Task:
        also = self._also(unit, language)
        return Task(0, language, rows, also, TableRecordings(also[LIBRARY]) if LIBRARY in also else None)

    def _also(self, unit: Unit, language: Language | None) -> dict[str, pa.Table]:
        """What the unit's stages read apart from their rows: other stages' trial rows, and a library of stand-ins."""
        named = {reads.stage for stage in unit for reads in TRAITS[stage].also}
        return {
            stage: self.voices[language] if stage == LIBRARY else table_of(stage, self._kept.get(stage, []))
            for stage in named
        }

    def _died(self, unit: Unit, error: Exception) -> Finding:
        message = str(getattr(error, "cause", None) or error).strip() or type(error).__name__
        engines = {name: s for stage in unit for name, s in engines_of(self._pipeline, stage).items()}
        named = [f"{name} ({_model(settings)})" for name, settings in engines.items()]
        fix = f"look at its engines: {', '.join(named)}" if named else "see the error"
        return Finding(False, f"trial of {unit}", message[-800:], fix)


def run_unit(pipeline: Pipeline, unit: Unit, tasks: Sequence[Task]) -> Settled:
    """Runs in the worker's process: the unit's stages on each task, engines loaded once. Ends behind a stage that keeps
    no row of any task."""
    settled: Settled = []
    for name in unit:
        stage = STAGE_CLASSES[name](pipeline)
        stage.setup()
        outcomes = [list(stage.process(_as_read(task, stage.source))) for task in tasks]
        settled.append((name, outcomes))
        kept = [output_kept(found) for found in outcomes]
        if not any(kept):
            break
        tasks = [replace(task, rows=rows) for task, rows in zip(tasks, kept, strict=True)]
    return settled


def _as_read(task: Task, source: Reads) -> Task:
    """The task with the rows as a worker reads them of a shard: the columns that the stage reads, null where its source
    gave none. Rows of the planning pass are as they are."""
    if source.scope is Scope.PLAN:
        return task
    known = SCHEMAS[split_round(source.stage)[0]].names
    wanted = known if source.columns is None else ("id", *source.columns)
    return replace(task, rows=[{name: row.get(name) for name in wanted} for row in task.rows])


def _kept(rows: RowsOf, outcomes: Sequence[Sequence[Outcome]]) -> RowsOf:
    found = {language: output_kept(of_one) for language, of_one in zip(rows, outcomes, strict=True)}
    return {language: kept for language, kept in found.items() if kept}


def _judged(stage: str, outcomes: Mapping[Language | None, Sequence[Outcome]], seconds: float) -> Finding:
    """Ok where every language kept a row; of a stage that may keep none, also where it rejected all for a reason."""
    counts = {language: len(output_kept(of_one)) for language, of_one in outcomes.items()}
    lost = [o for language, of_one in outcomes.items() if not counts[language] for o in of_one]
    failed = any(o.status not in (KEPT, REJECTED) for o in lost)
    ok = all(counts.values()) or (TRAITS[stage].may_keep_none and not failed)
    shares = ", ".join(
        f"{f'{language} ' if language else ''}{counts[language]} of {counted(len(of_one), 'row')}"
        for language, of_one in outcomes.items()
    )
    reasons = "; ".join(dict.fromkeys(f"{o.reason}: {o.detail}" for o in lost[:3]))
    message = f"{shares} kept in {seconds:.0f} s" + (f" ({reasons[:400]})" if reasons else "")
    fix = "" if ok else "the reasons are the stage's own: check the model, the prompt and the input"
    return Finding(ok, f"trial of {stage}", message, fix)


def _planned(rows: Rows, branch: InputBranch) -> RowsOf:
    """The first rows of each language, as the planning pass would hand them to the first stage."""
    keys = ("id", "source", "file", "line", "raw", "problem", "language")
    found: RowsOf = {}
    for language in LANGUAGES:
        if known := rows[branch].get(language, [])[: _TRIED[branch]]:
            found[language] = [{"occurrence": 1, **{k: getattr(row, k) for k in keys}} for row in known]
    return found


def _model(settings: Any) -> str:
    model = getattr(settings, "model", None) or settings.use
    return ", ".join(model.values()) if isinstance(model, dict) else str(model)
