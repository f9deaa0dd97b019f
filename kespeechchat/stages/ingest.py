"""ingest: planned rows become instructions, or are refused by what they are (arXiv 2412.01078, section 3.1)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import ClassVar

from kespeechchat.config import stages as settings
from kespeechchat.ids import first_appearance
from kespeechchat.records import Outcome, rejected
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.text.compose import plain_request
from kespeechchat.text.other_languages import other_language
from kespeechchat.text.safety import unsafe
from kespeechchat.text.source_filters import latin_word, refuse
from kespeechchat.text.suitability import unsuitable


class Ingest(Stage[settings.Ingest]):
    """Refuses malformed, duplicate and unsuitable instructions, those that the screening found to be too like others,
    and those that are neither Chinese nor English."""

    name: ClassVar[str] = "ingest"
    version: ClassVar[int] = 2  # 2: other languages are refused

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
        reason = refuse(
            instruction,
            out["input"],
            out["task"],
            out["reference"],
            task.one_language,
            max_characters=self.settings.max_characters,
        )
        if reason is None and row["occurrence"] > 1:
            first = first_appearance(row["id"])
            return rejected(out, "duplicate", f"{where} says the same as {first}")
        if reason is not None:
            return rejected(out, reason, f"{where}: {instruction[:120]}")
        if screened := row.get("refusal"):  # what the screening found of it
            return rejected(out, screened[0], f"{where} {screened[1]}: {instruction[:120]}")
        if refused := self._by_rule(out, task):
            return rejected(out, refused[0], f"{where}: {refused[1]}")
        if task.one_language == "zh" and not self.settings.code_switching and (word := latin_word(instruction)):
            return rejected(out, "code_switching", f"{where}: {word!r} in {instruction[:120]}")
        if "language" not in planned and (other := other_language(instruction, task.one_language)):
            return rejected(out, "other_language", f"{where}: {other}: {instruction[:120]}")
        return Outcome(out)

    def _by_rule(self, row: Row, task: Task) -> tuple[str, str] | None:
        """(reason, detail) of what a later stage would refuse by rule anyway, after a model had worked on it."""
        instruction, given = row["instruction"], row["input"] or ""
        if self.settings.safety_rules:
            for text in (instruction, given):
                if rule := unsafe(text, task.one_language):
                    return "unsafe_rule", f"{rule}: {text[:120]}"
        asked = plain_request(instruction, given, row["task"])
        if self.settings.suitability_rules and asked and (rule := unsuitable(asked, task.one_language)):
            return "unsuitable_rule", f"{rule}: {asked[:120]}"
        if self.settings.require_reference and not (row["reference"] and asked):
            return "no_reference", instruction[:120]
        return None
