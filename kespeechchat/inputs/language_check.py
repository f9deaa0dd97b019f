"""Does the profile hold what each language of the inputs needs? Known once they are planned, before any model loads.

Which stages ask is read from their settings: one that names a prompt needs its part in each language of its rows, one
that names a recognizer a model for each. So a new stage is checked without a line here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from kespeechchat.config.base import EngineRef
from kespeechchat.config.flow import STAGES, TRAITS, input_branch, one_language
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import counted
from kespeechchat.records import LANGUAGES
from kespeechchat.store.manifest import Manifest

_OF_DIALOGUES, _OF_SPEECH = "instructions", "speech"
_Problems = Iterator[tuple[str, str]]  # (stage, what it lacks and how to fix it)


def check_languages(pipeline: Pipeline, manifests: Mapping[str, Manifest], stages: Collection[str]) -> None:
    """Raises ConfigError for a language of the planned rows that an engine, a prompt or the voices of `stages` lack."""
    rows = {branch: _rows(manifest) for branch, manifest in manifests.items()}
    problems = [problem for stage, problem in lacking(pipeline, rows) if stage in stages]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))


def _rows(manifest: Manifest) -> Counter[str]:
    found: Counter[str] = Counter()
    for shard in manifest.shards:
        found[shard.language or ""] += shard.rows
    return found


def lacking(pipeline: Pipeline, rows: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str]]:
    """(stage, what it lacks and how to fix it), in flow order. `rows`: input branch → language → rows."""
    return sorted(_problems(pipeline, rows), key=lambda problem: STAGES.index(problem[0]))


def _problems(pipeline: Pipeline, rows: Mapping[str, Mapping[str, int]]) -> _Problems:
    tied = pipeline.stages.blend.blending.same_language
    of_speech = rows.get(_OF_SPEECH, {})
    for stage in STAGES:
        if one_language(stage):
            yield from _prompts(pipeline, stage, rows.get(input_branch(stage), {}))
            yield from _recognizers(pipeline, stage, rows.get(input_branch(stage), {}))
    yield from _auditions(pipeline, of_speech if tied else LANGUAGES)
    if tied and of_speech:
        yield from _voices(rows.get(_OF_DIALOGUES, {}), of_speech)


def _voices(of_dialogues: Mapping[str, int], of_speech: Mapping[str, int]) -> _Problems:
    """Of the stages that speak with the library, where each voice keeps to the language of its speakers."""
    for stage in (name for name, traits in TRAITS.items() if traits.speaks):
        for language, count in of_dialogues.items():
            if language not in of_speech:
                why = (
                    f"{_rows_are(count, _OF_DIALOGUES, language)}, but no speech is, and voices keep to their language"
                )
                yield stage, f"{why}: add speech to mine, or set stages.blend.blending.same_language to false"


def _rows_are(count: int, branch: str, language: str) -> str:
    return f"{counted(count, 'row')} of the {branch} {'is' if count == 1 else 'are'} {language}"


def _named(pipeline: Pipeline, stage: str, capability: str | None) -> list[str]:
    """The engines of the capability that the stage's settings name, each once; None: the prompts."""
    marks = pipeline.settings_of(stage).references()
    named = [name for mark, name in marks if (mark.capability if isinstance(mark, EngineRef) else None) == capability]
    return list(dict.fromkeys(named))


def _prompts(pipeline: Pipeline, stage: str, rows: Mapping[str, int]) -> _Problems:
    branch = input_branch(stage)
    for name in _named(pipeline, stage, None):
        for language, count in rows.items():
            if not pipeline.prompts.get(name, {}).get(language):
                why = f"{_rows_are(count, branch, language)}, but prompt {name!r} of stage {stage} has no such part"
                yield stage, f"{why}: add a top-level key {language!r} to its file, {_or_input(branch)}"


def _recognizers(pipeline: Pipeline, stage: str, rows: Mapping[str, int]) -> _Problems:
    branch = input_branch(stage)
    for name in _named(pipeline, stage, "asr"):
        model = pipeline.engine("asr", name).model
        for language, count in rows.items() if isinstance(model, dict) else ():
            if language not in model:
                why = (
                    f"{_rows_are(count, branch, language)}, but stages.{stage}.asr: {name} has no model for {language}"
                )
                yield stage, f"{why}: name one in engines.asr.{name}.model.{language}, {_or_input(branch)}"


def _auditions(pipeline: Pipeline, languages: Iterable[str]) -> _Problems:
    """A candidate is auditioned in each language that it is to speak, whatever the rows are."""
    audition = pipeline.stages.audition
    model: Any = pipeline.engine("asr", audition.asr).model
    probed = {language for language, sentences in audition.probes.items() if sentences}
    for language in languages:
        speak = f"voices are to speak {language}, but"
        tied = "(where voices keep to their language, set stages.blend.blending.same_language)"
        if language not in probed:
            yield "audition", f"{speak} stages.audition.probes has no sentence for {language}: add one {tied}"
        if isinstance(model, dict) and language not in model:
            name = f"engines.asr.{audition.asr}.model.{language}"
            yield "audition", f"{speak} stages.audition.asr: {audition.asr} has no such model: name one in {name}"


def _or_input(branch: str) -> str:
    return f"take these rows out, or say the input's `language` under {branch}.inputs where it was recognized wrongly"
