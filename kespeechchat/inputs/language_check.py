"""Does the profile hold what each language of the inputs needs? Known once they are planned, before any model loads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from kespeechchat.config.base import EngineRef
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.records import LANGUAGES
from kespeechchat.store.manifest import Manifest

_TEXT = ("rewrite", "filter", "spoken")  # stages whose prompts have a part for each language
_OF_DIALOGUES, _OF_SPEECH = "instructions", "speech"


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


def lacking(pipeline: Pipeline, rows: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, str]]:
    """(stage, what it lacks, with the cure). `rows`: branch → language → rows."""
    said, heard = rows.get(_OF_DIALOGUES, {}), rows.get(_OF_SPEECH, {})
    for stage in _TEXT:
        yield from _prompts(pipeline, stage, said)
    yield from _recognizers(pipeline, "clips", _OF_SPEECH, heard)
    tied = pipeline.stages.blend.blending.same_language
    yield from _auditions(pipeline, heard if tied else LANGUAGES)
    yield from _recognizers(pipeline, "measure", _OF_DIALOGUES, said)
    for language, count in said.items():
        if tied and heard and language not in heard:
            why = f"{_told(count, _OF_DIALOGUES, language)}, but no speech is, and voices keep to their language"
            yield "synthesize", f"{why}: add speech to mine, or set stages.blend.blending.same_language to false"


def _told(count: int, branch: str, language: str) -> str:
    return f"{count:,} rows of the {branch} are {language}"


def _prompts(pipeline: Pipeline, stage: str, said: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    marks = getattr(pipeline.stages, stage).references()
    for name in dict.fromkeys(name for mark, name in marks if not isinstance(mark, EngineRef)):
        for language, count in said.items():
            if not pipeline.prompts.get(name, {}).get(language):
                why = f"{_told(count, _OF_DIALOGUES, language)}, but prompt {name!r} of stage {stage} has no such part"
                yield stage, f"{why}: add a top-level key {language!r} to its file, {_or_input(_OF_DIALOGUES)}"


def _recognizers(pipeline: Pipeline, stage: str, branch: str, rows: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    name = getattr(pipeline.stages, stage).asr
    model = pipeline.engine("asr", name).model if name else None
    for language, count in rows.items() if isinstance(model, dict) else ():
        if language not in model:
            why = f"{_told(count, branch, language)}, but stages.{stage}.asr: {name} has no model for {language}"
            yield stage, f"{why}: name one in engines.asr.{name}.model.{language}, {_or_input(branch)}"


def _auditions(pipeline: Pipeline, languages: Iterable[str]) -> Iterator[tuple[str, str]]:
    audition = pipeline.stages.audition
    model: Any = pipeline.engine("asr", audition.asr).model
    for language in languages:
        speak = f"voices are to speak {language}, but"
        tied = "(where voices keep to their language, set stages.blend.blending.same_language)"
        if not audition.probes.get(language):
            yield "audition", f"{speak} stages.audition.probes has no sentence for {language}: add one {tied}"
        if isinstance(model, dict) and language not in model:
            name = f"engines.asr.{audition.asr}.model.{language}"
            yield "audition", f"{speak} stages.audition.asr: {audition.asr} has no such model: name one in {name}"


def _or_input(branch: str) -> str:
    return f"take these rows out, or say the input's `language` under {branch}.inputs where it was recognized wrongly"
