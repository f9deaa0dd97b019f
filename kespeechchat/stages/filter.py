"""filter: is the question fit for speech, clear enough, and safe? (arXiv 2412.01078, section 3.1)"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from kespeechchat.config import text_stages as settings
from kespeechchat.config.base import pick
from kespeechchat.config.text_stages import Criterion
from kespeechchat.engines.judge import Verdict
from kespeechchat.records import Outcome, RowError, failed, rejected
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.stages.later import SEVERAL
from kespeechchat.text.prompts import parse_prompt
from kespeechchat.text.safety import unsafe
from kespeechchat.text.suitability import unsuitable


class Filter(Stage[settings.Filter]):
    """Rejects a question by the judges' scores and by readable rules."""

    name: ClassVar[str] = "filter"
    version: ClassVar[int] = 1

    def setup(self) -> None:
        self.judges = [self._engine("judge", c.judge, f"judge:{c.prompt}") for c in self.settings.criteria]

    def process(self, task: Task) -> Iterable[Outcome]:
        judged = [self._judge(c, judge, task) for c, judge in zip(self.settings.criteria, self.judges, strict=True)]
        for i, row in enumerate(task.rows):
            yield self._settle(row, [verdicts[i] for verdicts in judged], task)

    def _judge(self, criterion: Criterion, judge: Any, task: Task) -> list[Verdict | RowError]:
        """Per row the lowest verdict on the texts that the criterion looks at; of several turns, on all of them."""
        if not task.rows:
            return []
        prompt = parse_prompt(self.pipeline.prompts[criterion.prompt], criterion.prompt, task.one_language)
        lowest: list[Verdict | RowError] = []
        for column in criterion.texts:
            seeds = [seed_for(self.pipeline.seed, self.name, row["id"], criterion.prompt, column) for row in task.rows]
            found = judge.judge([_whole(row, column) for row in task.rows], prompt, task.language, seeds)
            lowest = [_lower(*pair) for pair in zip(lowest, found, strict=True)] if lowest else found
        return lowest

    def _settle(self, row: Row, verdicts: list[Any], task: Task) -> Outcome:
        row = {k: v for k, v in row.items() if k in self.schema.names and (v is not None or k not in SEVERAL)}
        errors = [v.message for v in verdicts if isinstance(v, RowError)]
        if errors:
            return failed(row, "; ".join(errors))
        lowest = [pick(criterion.threshold, task.one_language) for criterion in self.settings.criteria]
        judged = list(zip(self.settings.criteria, verdicts, lowest, strict=True))
        row["verdicts"] = [
            {"criterion": c.prompt, "passed": v.score >= least, "score": v.score} for c, v, least in judged
        ]
        if refused := self._by_rule(row, task):
            return rejected(row, *refused)
        for criterion, verdict, least in judged:
            if verdict.score < least:
                detail = f"{verdict.score:.2f}, at least {least}: {row['question'][:120]}"
                return rejected(row, f"not_{criterion.prompt}", detail)
        return self._to_the_last_speakable(row, task)

    def _to_the_last_speakable(self, row: Row, task: Task) -> Outcome:
        """The row without the exchanges from the first question on that no voice can give."""
        later = row.get("later") or []
        for place, exchange in enumerate(later):
            if self.settings.suitability_rules and unsuitable(exchange["question"], task.one_language):
                row = {k: v for k, v in row.items() if k != "later"} | ({"later": later[:place]} if place else {})
                return Outcome(row | {"ended": "unsuitable_rule"}, ended="unsuitable_rule")
        return Outcome(row)

    def _by_rule(self, row: Row, task: Task) -> tuple[str, str] | None:
        """(reason, detail) of the first readable rule that the row breaks."""
        if self.settings.safety_rules:
            later = [text for e in row.get("later") or () for text in (e["instruction"], e["question"])]
            for text in (row["instruction"], row["input"], row["question"], *later):
                if text and (rule := unsafe(text, task.one_language)):
                    return "unsafe_rule", f"{rule}: {text[:120]}"
        if self.settings.suitability_rules and (rule := unsuitable(row["question"], task.one_language)):
            return "unsuitable_rule", f"{rule}: {row['question'][:120]}"
        return None


def _whole(row: Row, column: str) -> str:
    """What the user says in all turns, a turn a line."""
    return "\n".join([row[column], *(exchange[column] for exchange in row.get("later") or ())])


def _lower(one: Verdict | RowError, other: Verdict | RowError) -> Verdict | RowError:
    if isinstance(one, RowError):
        return one
    return other if isinstance(other, RowError) or other.score < one.score else one
