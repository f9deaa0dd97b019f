"""gate: keeps a dialogue whose speech says what its text says, and whose mark is found (arXiv 2412.01078, sec. 3.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from kespeechchat.config import stages as settings
from kespeechchat.config.base import pick
from kespeechchat.records import Language, Outcome, rejected
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.text.error_rate import Edits, error_edits, pooled, syllable_edits

_CARRIED = (
    "role",
    "voice",
    "text",
    "seed",
    "tries",
    "sample_rate",
    "seconds",
    "transcript",
    "watermark_score",
    "scores",
)

_METRICS = {"character": "CER", "word": "WER", "syllable": "SER"}


class Gate(Stage[settings.Gate]):
    """Refuses a dialogue that is not marked, or is not understood."""

    name: ClassVar[str] = "gate"
    version: ClassVar[int] = 2

    def process(self, task: Task) -> Iterable[Outcome]:
        for row in task.rows:
            yield self._judge(row)

    def _judge(self, row: Row) -> Outcome:
        language = row["language"]
        unit, limit = pick(self.settings.unit, language), pick(self.settings.max_error, language)
        edits = [_edits(t["text"], t["transcript"], language, unit) for t in row["turns"]]
        error_rate = pooled(edits)
        turns = [{k: t[k] for k in _CARRIED} | {"error_rate": e.rate} for t, e in zip(row["turns"], edits, strict=True)]
        out = {k: row[k] for k in ("id", "source", "language", "split")} | {
            "metric": _METRICS[unit],
            "error_rate": error_rate,
            "edits": sum(e.edits for e in edits),
            "units": sum(e.units for e in edits),
            "seconds": sum(t["seconds"] for t in turns),
            "turns": turns,
        }
        unmarked = [t["role"] for t in turns if not t["watermark_score"] >= self.pipeline.watermark_threshold]
        if unmarked:
            return rejected(out, "watermark_not_found", f"in the turn of {', '.join(unmarked)}")
        if not error_rate <= limit:
            worst = max(turns, key=lambda t: t["error_rate"])
            detail = f"{error_rate:.3f}, at most {limit}; heard {worst['transcript']!r} for {worst['text']!r}"
            return rejected(out, "error_rate", detail)
        return Outcome(out)


def _edits(reference: str, hypothesis: str, language: Language, unit: str) -> Edits:
    return syllable_edits(reference, hypothesis) if unit == "syllable" else error_edits(reference, hypothesis, language)
