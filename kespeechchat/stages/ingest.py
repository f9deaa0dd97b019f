"""ingest: planned rows become instructions, or are rejected by what they are (arXiv 2412.01078, section 3.1)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import ClassVar

from kespeechchat.config import text_stages as config
from kespeechchat.config.base import pick
from kespeechchat.ids import first_appearance
from kespeechchat.records import Language, Outcome, rejected
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.text.compose import QUESTION_LENGTH, plain_request, question_by_rule
from kespeechchat.text.other_languages import other_language
from kespeechchat.text.safety import unsafe
from kespeechchat.text.source_filters import latin_word, refuse
from kespeechchat.text.suitability import unsuitable


class Ingest(Stage[config.Ingest]):
    """Rejects malformed, duplicate and unsuitable instructions, those that the screening found to be too like others,
    and those that are neither Chinese nor English."""

    name: ClassVar[str] = "ingest"
    version: ClassVar[int] = 3  # 3: a directive whose text can be said aloud has an answer

    def process(self, task: Task) -> Iterable[Outcome]:
        for row in task.rows:
            yield self._settle(row, task)

    def _settle(self, row: Row, task: Task) -> Outcome:
        out = {k: row[k] for k in ("id", "source", "file", "line")} | {"language": task.language}
        if row["problem"]:
            return rejected({**out, "instruction": row["raw"]}, "malformed", row["problem"])
        planned = json.loads(row["raw"])
        out |= {name: planned[name] for name in ("instruction", "input", "reference", "task")}
        instruction, where = out["instruction"], f"{row['file']}:{row['line']}"
        if refused := _by_filters(planned, task.one_language, self.settings):
            return rejected(out, refused[0], f"{where}: {refused[1]}")
        if row["occurrence"] > 1:
            first = first_appearance(row["id"])
            return rejected(out, "duplicate", f"{where} says the same as {first}")
        if screened := row.get("refusal"):  # what the screening found of it
            return rejected(out, screened[0], f"{where} {screened[1]}: {instruction[:120]}")
        if refused := _by_rules(planned, task.one_language, self.settings):
            return rejected(out, refused[0], f"{where}: {refused[1]}")
        if "language" not in planned and (other := other_language(instruction, task.one_language)):
            return rejected(out, "other_language", f"{where}: {other}: {instruction[:120]}")
        return self._with_later(out, planned, task.one_language)

    def _with_later(self, out: Row, planned: Row, language: Language) -> Outcome:
        """The row with as many of its later exchanges as the profile takes and can take."""
        exchanges = later_exchanges(planned) if self.settings.max_turns > 2 else []
        if not exchanges:
            return Outcome(out)
        later: list[Row] = []
        ended = None
        for exchange in exchanges:
            said = {**planned, **exchange, "input": "", "task": None}
            refused = _by_filters(said, language, self.settings) or _later_by_rules(said, language, self.settings)
            if refused and refused[0] == "unsafe_rule":  # safety is the whole dialogue's
                return rejected(out, refused[0], f"{out['file']}:{out['line']}: {refused[1]}")
            ended = refused[0] if refused else "max_turns" if 2 * len(later) + 4 > self.settings.max_turns else None
            if ended:
                break
            later.append(exchange)
        return Outcome(out | ({"later": later} if later else {}) | ({"ended": ended} if ended else {}), ended=ended)


Refusal = tuple[str, str]  # reason, detail


def refused_by_itself(planned: Row, language: Language, settings: config.Ingest) -> Refusal | None:
    """Why a planned row (its `raw`, parsed) is rejected, whatever other rows there are; None where it is taken.

    The language identifier is not asked: it takes longer than all else, and what it rejects is like nothing that is
    taken.
    """
    return _by_filters(planned, language, settings) or _by_rules(planned, language, settings)


def later_exchanges(planned: Row) -> list[Row]:
    """The `instruction` and `reference` of each exchange after the first, of a planned row (its `raw`, parsed)."""
    exchanges: list[Row] = []
    for turn in planned.get("turns") or ():
        if turn["role"] == "user":
            exchanges.append({"instruction": turn["content"], "reference": None})
        elif exchanges:
            exchanges[-1]["reference"] = turn["content"]
    return exchanges[1:]


def _later_by_rules(said: Row, language: Language, settings: config.Ingest) -> Refusal | None:
    """As `_by_rules`, of a later turn, which may lean on what was said before: it need be no question by itself."""
    text = said["instruction"]
    if settings.safety_rules and (rule := unsafe(text, language)):
        return "unsafe_rule", f"{rule}: {text[:120]}"
    if settings.suitability_rules and (rule := unsuitable(text, language)):
        return "unsuitable_rule", f"{rule}: {text[:120]}"
    if settings.require_reference and not said["reference"]:
        return "no_reference", text[:120]
    if language == "zh" and not settings.code_switching and (word := latin_word(text)):
        return "code_switching", f"{word!r} in {text[:120]}"
    return None


def _by_filters(planned: Row, language: Language, settings: config.Ingest) -> Refusal | None:
    instruction, input_, task, reference = (planned[name] for name in ("instruction", "input", "task", "reference"))
    reason = refuse(
        instruction, input_, task, reference, language, max_characters=pick(settings.max_characters, language)
    )
    if reason == "empty":
        return reason, f"the instruction has no word: {instruction[:120]!r}; write one, or remove the row"
    return (reason, instruction[:120]) if reason else None


def _by_rules(planned: Row, language: Language, settings: config.Ingest) -> Refusal | None:
    """What a later stage would reject by rule anyway, after a model had worked on it; then foreign words."""
    instruction, given = planned["instruction"], planned["input"] or ""
    if settings.safety_rules:
        for text in (instruction, given):
            if rule := unsafe(text, language):
                return "unsafe_rule", f"{rule}: {text[:120]}"
    if settings.suitability_rules or settings.require_reference:
        asked = plain_request(instruction, given, planned["task"])
        if settings.suitability_rules and asked and (rule := unsuitable(asked, language)):
            return "unsuitable_rule", f"{rule}: {asked[:120]}"
        if settings.require_reference and not (planned["reference"] and (asked or _said_aloud(planned, language))):
            return "no_reference", instruction[:120]
    if language == "zh" and not settings.code_switching and (word := latin_word(instruction)):
        return "code_switching", f"{word!r} in {instruction[:120]}"
    return None


def _said_aloud(planned: Row, language: Language) -> bool:
    """Whether a rule can say a directive with its text, so that the source's answer still answers it."""
    _, longest = QUESTION_LENGTH[language]
    given = planned["instruction"], planned["input"] or "", planned["task"]
    return question_by_rule(*given, language, longest, turn=0) is not None
