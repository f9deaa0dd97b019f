"""The canary: a few rows of each language through every stage, so that a checkpoint or a GPU that fails shows here.

Each unit runs in a process of its own with its resources and environment, as a build's actors do; all languages of the
inputs go through it together, for a model may differ by language. Three flights: text, voices, audio. What one cannot
deliver (its model is missing, all rows were refused) is stood in for, so that the later ones are tried too. The voice
is the clip's own: good enough to speak with, thrown away with everything else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from kespeechchat.commands.doctor.finding import Finding
from kespeechchat.commands.doctor.inputs import Rows
from kespeechchat.commands.doctor.machines import Machines, resources_of
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.records import KEPT, SCHEMAS, Outcome
from kespeechchat.stages.base import Task
from kespeechchat.stages.flow import STAGE_CLASSES
from kespeechchat.state.profile_models import engines_of

_TRIES = {"instructions": 6, "speech": 2}  # rows of a language: some are lost to the filters on their way
_MAY_REFUSE = {"speakers", "voices", "gate"}  # one clip is no speaker; its own voice is a person's; models differ
_TEXT = ("ingest", "rewrite", "filter", "spoken")
_CLIPS, _VOICES = ("corpus", "clips"), ("speakers", "blend", "audition", "voices")
_AUDIO = ("synthesize", "watermark", "measure", "gate")

Flock = dict[str, list[dict[str, Any]]]  # language → rows


def check(pipeline: Pipeline, there: Machines, rows: Rows, blocked: Mapping[str, str]) -> Iterator[Finding]:
    """A finding per stage. `blocked`: stages that were found broken → the check that found it."""
    flight = _Flight(pipeline, there, blocked)
    said = _planned(rows, "instructions")
    dialogues = {language: found[:1] for language, found in (yield from flight.through(_TEXT, said)).items()}
    dialogues = {language: _stand_in(language, rows) for language in said} | dialogues
    clips = yield from flight.through(_CLIPS, _planned(rows, "speech"))
    if not clips:
        return
    yield from _library(flight, clips)
    voices = {language: _voices(language, (clips.get(language) or _any(clips))[0]) for language in dialogues}
    dialogues = {language: [{**row, "split": "train"} for row in found] for language, found in dialogues.items()}
    yield from flight.through(_AUDIO, dialogues, {language: {"voices": voices[language]} for language in dialogues})


def _library(flight: _Flight, clips: Flock) -> Iterator[Finding]:
    """Speakers from the clips; candidates from two stand-ins for speakers; their audition and the choice of voices."""
    heard = {"all": [row for rows in clips.values() for row in rows]}
    yield from flight.through(_VOICES[:1], heard)
    candidates = yield from flight.through(_VOICES[1:2], {"all": _pair(heard["all"][0])})
    if candidates:
        table = pa.Table.from_pylist([_common(row, "clips") for row in heard["all"]], schema=SCHEMAS["clips"])
        yield from flight.through(_VOICES[2:], {"all": candidates["all"][:1]}, {"all": {"clips": table}})


class _Flight:
    """Sends rows through units and tells how each of their stages did."""

    def __init__(self, pipeline: Pipeline, there: Machines, blocked: Mapping[str, str]) -> None:
        self._pipeline, self._there, self._blocked = _small(pipeline), there, blocked

    def through(
        self, stages: tuple[str, ...], flock: Flock, also: Mapping[str, dict[str, pa.Table]] | None = None
    ) -> Any:
        """Yields a finding per stage; returns what the last one kept, of the languages that came so far."""
        for unit in (u for u in self._pipeline.units if u[0] in stages):
            if not flock:
                return flock
            if broken := [stage for stage in unit if stage in self._blocked]:
                told = f"not tried, and nothing after it: see {self._blocked[broken[0]]}"
                yield Finding(False, f"canary {'+'.join(unit)}", told, "mend that first")
                return {}
            tasks = [Task(0, _language(key), rows, (also or {}).get(key, {})) for key, rows in flock.items()]  # type: ignore[arg-type]
            began = time.monotonic()
            try:
                settled = self._there.as_actor(
                    resources_of(self._pipeline, unit.first), fly, self._pipeline, unit, tasks
                )
            except Exception as error:  # of any engine, in any environment
                yield self._died(unit, error)
                return {}
            seconds = time.monotonic() - began
            for stage, outcomes in settled:
                yield _told(stage, dict(zip(flock, outcomes, strict=True)), seconds)
            flock = _kept(flock, settled[-1][1])
        return flock

    def _died(self, unit: Unit, error: Exception) -> Finding:
        told = str(getattr(error, "cause", None) or error).strip() or type(error).__name__
        engines = {name: s for stage in unit for name, s in engines_of(self._pipeline, stage).items()}
        named = [f"{name} ({_model(s)})" for name, s in engines.items()]
        cure = f"its engines: {', '.join(named)}" if named else "see the error"
        return Finding(False, f"canary {'+'.join(unit)}", told[-800:], cure)


def fly(pipeline: Pipeline, unit: Unit, tasks: Sequence[Task]) -> list[tuple[str, list[list[Outcome]]]]:
    """(stage, outcomes per task) of the unit's stages, engines loaded once. Ends with a stage that keeps nothing."""
    settled: list[tuple[str, list[list[Outcome]]]] = []
    for name in unit:
        stage = STAGE_CLASSES[name](pipeline)
        stage.setup()
        outcomes = [list(stage.process(_cut(task, stage.source.columns))) for task in tasks]
        settled.append((name, outcomes))
        kept = [[o.row for o in found if o.status == KEPT] for found in outcomes]
        if not any(kept):
            break
        tasks = [replace(task, rows=rows) for task, rows in zip(tasks, kept, strict=True)]
    return settled


def _cut(task: Task, columns: Sequence[str] | None) -> Task:
    """The task with the columns that the stage reads, as a worker hands it over."""
    if columns is None:
        return task
    wanted = {"id", *columns}
    return replace(task, rows=[{k: v for k, v in row.items() if k in wanted} for row in task.rows])


def _kept(flock: Flock, outcomes: list[list[Outcome]]) -> Flock:
    found = {key: [o.row for o in settled if o.status == KEPT] for key, settled in zip(flock, outcomes, strict=True)}
    return {key: rows for key, rows in found.items() if rows}


def _told(stage: str, outcomes: Mapping[str, list[Outcome]], seconds: float) -> Finding:
    """Well, where every language kept a row; or, of stages that may, refused them all for a reason."""
    counts = {key: sum(o.status == KEPT for o in found) for key, found in outcomes.items()}
    told = ", ".join(f"{f'{key} ' if key != 'all' else ''}{counts[key]} of {len(outcomes[key])}" for key in outcomes)
    refused = [o for key, found in outcomes.items() if not counts[key] for o in found]
    failed = any(o.status not in (KEPT, "rejected") for o in refused)
    well = all(counts.values()) or (stage in _MAY_REFUSE and not failed)
    reasons = "; ".join(dict.fromkeys(f"{o.reason}: {o.detail}" for o in refused[:3]))
    told = f"{told} rows kept in {seconds:.0f} s" + (f" ({reasons[:400]})" if reasons else "")
    cure = "" if well else "is it the model, the prompt or the input? The reasons are the stage's own"
    return Finding(well, f"canary {stage}", told, cure)


# --- what is sent


def _planned(rows: Rows, branch: str) -> Flock:
    """The first rows of each language, as the planning pass would hand them to the first stage."""
    keys = ("id", "source", "file", "line", "raw", "problem", "language")
    return {
        language: [{"occurrence": 1, **{k: getattr(row, k) for k in keys}} for row in found[: _TRIES[branch]]]
        for language, found in rows[branch].items()
        if found
    }


def _stand_in(language: str, rows: Rows) -> list[dict[str, Any]]:
    """A dialogue for the audio stages where the text stages gave none."""
    row = rows["instructions"][language][0]
    said = {
        "zh": ("今天的天气怎么样？", "今天天气很好，适合出去走走。"),
        "en": ("How is the weather today?", "It is a lovely day for a walk."),
    }[language]
    return [{"id": row.id, "source": row.source, "language": language, "instruction": said[0], "response": said[1]}]


def _pair(clip: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Two speakers who both sound as the clip does, of each gender that agents must have."""
    speaker = {
        "language": clip["language"],
        "split": "train",
        "seconds_per_character": 0.2,
        "tts_embedding": clip["tts_embedding"],
    }
    genders = ("female", "male")
    return [{**speaker, "id": f"{g}-{n}", "recording": f"{g}-{n}", "gender": g} for g in genders for n in ("a", "b")]


def _voices(language: str, clip: Mapping[str, Any]) -> pa.Table:
    """A library of one user and one agent that both speak as the canary's clip does."""
    gender = clip["gender"] if clip["gender"] in ("female", "male") else "female"
    voice = {"language": language, "gender": gender, "split": "train", "embedding": clip["tts_embedding"]}
    rows = [{**voice, "id": name, "role": role} for name, role in (("canary-user", "user"), ("canary-agent", "agent"))]
    return pa.Table.from_pylist([_common(row, "voices") for row in rows], schema=SCHEMAS["voices"])


def _common(row: Mapping[str, Any], stage: str) -> dict[str, Any]:
    return {**row, "status": KEPT, "stage": stage, "reason": None, "detail": None}


def _small(pipeline: Pipeline) -> Pipeline:
    """The profile with one user voice and whatever pairs there are."""
    blend = pipeline.stages.blend
    few = blend.blending.model_copy(update={"users": {"train": 1, "dev": 0, "test": 0}, "allow_fewer": True})
    stages = pipeline.stages.model_copy(update={"blend": blend.model_copy(update={"blending": few})})
    return pipeline.model_copy(update={"stages": stages})


def _any(clips: Flock) -> list[dict[str, Any]]:
    return next(iter(clips.values()))


def _language(key: str) -> str | None:
    return None if key == "all" else key


def _model(settings: Any) -> str:
    model = getattr(settings, "model", None) or settings.use
    return ", ".join(model.values()) if isinstance(model, dict) else model
