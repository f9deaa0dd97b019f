"""ingest: planned rows become instructions, or are refused by what they are (arXiv 2412.01078, section 3.1)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import ClassVar

from kespeechchat.config import stages as settings
from kespeechchat.ids import first_appearance
from kespeechchat.records import Outcome, rejected
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.text.source_filters import refuse


class Ingest(Stage[settings.Ingest]):
    """Refuses malformed, duplicate and unsuitable instructions."""

    name: ClassVar[str] = "ingest"
    version: ClassVar[int] = 1

    def process(self, task: Task) -> Iterable[Outcome]:
        for row in task.rows:
            yield self._settle(row, task)

    def _settle(self, row: Row, task: Task) -> Outcome:
        out = {k: row[k] for k in ("id", "source", "file", "line")} | {"language": task.language}
        if row["problem"]:
            return rejected({**out, "instruction": row["raw"]}, "malformed", row["problem"])
        out |= json.loads(row["raw"])
        reason = refuse(
            out["instruction"],
            out["input"],
            out["task"],
            out["reference"],
            task.one_language,
            max_characters=self.settings.max_characters,
        )
        if reason is None and row["occurrence"] > 1:
            first = first_appearance(row["id"])
            return rejected(out, "duplicate", f"{row['file']}:{row['line']} says the same as {first}")
        if reason is not None:
            return rejected(out, reason, f"{row['file']}:{row['line']}: {out['instruction'][:120]}")
        return Outcome(out)
