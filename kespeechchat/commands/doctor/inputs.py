"""The inputs: do they parse, how many rows are malformed, does the speech that a manifest names exist?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator
from functools import partial
from itertools import islice

from kespeechchat.commands.doctor.finding import CheckFailed, Finding, look
from kespeechchat.config.inputs import InstructionInput, SpeechInput
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import counted
from kespeechchat.inputs.language_check import lacking
from kespeechchat.inputs.reading import input_rows
from kespeechchat.store.audio import AudioError, read
from kespeechchat.store.manifest import PlannedRow

_ROWS = 50_000  # of each input that are parsed, some seconds; a file of fewer is parsed to its end
_CLIPS = 20  # of each speech input that are decoded, evenly over the rows parsed
_KEPT = 200  # usable rows of each language that are handed to the trial

Rows = dict[str, dict[str, list[PlannedRow]]]  # branch → language → usable rows


def check(pipeline: Pipeline) -> Generator[Finding, None, Rows]:
    """A finding per input; returns usable rows of each branch and language."""
    rows: Rows = {"instructions": {}, "speech": {}}
    for branch, found in rows.items():
        for item in getattr(pipeline, branch).inputs:
            fix = "correct the file, or name another under inputs"
            yield from look(f"input {item.path}", partial(_input, item, found), fix)
    counts = {branch: {language: len(found) for language, found in by.items()} for branch, by in rows.items()}
    for stage, problem in lacking(pipeline, counts):
        message, _, fix = problem.partition(": ")
        yield Finding(False, f"languages of {stage}", message, fix)
    return rows


def _input(item: InstructionInput | SpeechInput, found: dict[str, list[PlannedRow]]) -> str:
    seen, problems = Counter[str](), []
    clips: list[PlannedRow] = []
    rows = input_rows(item)
    for row in islice(rows, _ROWS):
        if row.problem is not None:
            problems.append(row.problem)
            continue
        seen[row.language or "en"] += 1
        clips += [row] if isinstance(item, SpeechInput) else []
        known = found.setdefault(row.language or "en", [])
        known += [row] if len(known) < _KEPT else []
    all_of_it = next(rows, None) is None
    message = f"{_parsed(seen, len(problems), all_of_it)}{'; the first: ' + problems[0] if problems else ''}"
    if not seen:
        raise CheckFailed(f"no usable row: {message}", "set the input's `layout` or `columns` to what the file has")
    if len(problems) > sum(seen.values()):
        raise CheckFailed(f"most rows cannot be read: {message}", "is its `layout` (or `columns`) the right one?")
    return message + _decoded(clips)


def _parsed(seen: Counter[str], bad: int, all_of_it: bool) -> str:
    whole = counted(sum(seen.values()) + bad, "row") if all_of_it else f"the first {_ROWS:,} rows"
    languages = ", ".join(f"{language} {n:,}" for language, n in sorted(seen.items(), reverse=True))
    return f"{whole} parsed: {languages or 'none is usable'}{f', malformed {bad:,}' if bad else ''}"


def _decoded(clips: list[PlannedRow]) -> str:
    """Decodes clips of a manifest or a folder. Raises CheckFailed where one cannot be read."""
    named = [clip for row in clips if (clip := json.loads(row.raw)).get("path")]
    chosen = named[:: max(1, -(-len(named) // _CLIPS))]
    broken = []
    for clip in chosen:
        try:
            read(clip["path"], clip.get("channel"), clip.get("start") or 0.0, clip.get("duration"))
        except AudioError as error:
            broken.append(str(error))
    if broken:
        raise CheckFailed(
            f"{len(broken)} of {counted(len(chosen), 'clip')} cannot be read; the first: {broken[0]}",
            "paths are relative to the manifest; every machine must see them at the same place",
        )
    return f"; {counted(len(chosen), 'clip')} decoded" if chosen else ""
