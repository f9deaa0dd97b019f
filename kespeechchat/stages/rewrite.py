"""rewrite: what a person would say aloud (arXiv 2412.01078, section 3.1).

A directive task ("classify the following …") loses its directive: the model sees the pieces of information alone and
is told that they are incomplete and only inspire a question.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from kespeechchat.config import text_stages as settings
from kespeechchat.config.base import pick
from kespeechchat.engines.llm import Request, messages
from kespeechchat.records import Outcome, RowError, failed, rejected
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.stages.candidates import Judged, ask_until_usable, nth
from kespeechchat.stages.later import SEVERAL
from kespeechchat.stages.later_questions import LaterQuestions
from kespeechchat.text.compose import (
    QuestionFrom,
    hopeless,
    judge_question,
    parse_question,
    question_by_rule,
    rewrite_fields,
)
from kespeechchat.text.prompts import Prompt, parse_prompt


class Rewrite(Stage[settings.Rewrite]):
    """One question or several for each instruction."""

    name: ClassVar[str] = "rewrite"
    version: ClassVar[int] = 4  # 4: a short given text is said before what is asked of it

    def setup(self) -> None:
        self.llm = self._engine("llm", self.settings.llm)

    @property
    def fan_out(self) -> int:
        return self.settings.variants

    def process(self, task: Task) -> Iterable[Outcome]:
        """`variants` questions for each row, or its rejection with the last candidate's reason."""
        yield from LaterQuestions(self.llm, self.settings, self.pipeline, task).added(self._first(task))

    def _first(self, task: Task) -> Iterable[Outcome]:
        """The question of each row's first exchange."""
        asked = [v for row in task.rows for v in self._variants(row)]
        found_by_rule = [self._by_rule(row, task) for row in asked]
        yield from (outcome for outcome in found_by_rule if outcome)
        rows = [row for row, outcome in zip(asked, found_by_rule, strict=True) if not outcome]
        if rows:
            yield from self._by_model(rows, task)

    def _by_rule(self, row: Row, task: Task) -> Outcome | None:
        """The first variant of an instruction that needs no model; further variants ask it."""
        if not self.settings.by_rule or row["id"] != self.ids({"id": row["parent"]})[0]:
            return None
        longest = pick(self.settings.max_length, task.one_language)
        turn = seed_for(self.pipeline.seed, self.name, row["id"], "frame")
        given = row["instruction"], row["input"] or "", row["task"]
        found = question_by_rule(*given, task.one_language, longest, turn)
        return _kept(row, *found) if found else None

    def _by_model(self, rows: list[Row], task: Task) -> Iterable[Outcome]:
        longest = pick(self.settings.max_length, task.one_language)
        prompts = self._prompts(task)

        def request(row: Row, candidate: int) -> Request:
            asked = rewrite_fields(row["instruction"], row["input"] or "", row["task"])
            return Request(
                messages(prompts[asked.prompt], **asked.fields),
                seed=seed_for(self.pipeline.seed, self.name, row["id"], candidate),
                schema=prompts[asked.prompt].schema,
                max_tokens=self.settings.max_tokens,
                temperature=nth(self.settings.temperatures, candidate),
                hopeless=lambda text: hopeless(text, task.one_language, longest),
            )

        def judge(row: Row, text: str) -> Judged:
            instruction, given = row["instruction"], row["input"] or ""
            prompt = prompts[rewrite_fields(instruction, given, row["task"]).prompt]
            question = parse_question(text, prompt.language)
            return Judged(question, judge_question(question, instruction, given, row["task"], prompt, longest), text)

        found = ask_until_usable(self.llm, rows, request, judge, self.settings.candidates)
        for row, judged in zip(rows, found, strict=True):
            if isinstance(judged, RowError):
                yield failed(row, judged.message)
            elif judged.reason:
                yield rejected({**row, "question": judged.answer}, judged.reason, judged.detail)
            else:
                yield _kept(row, judged.answer, "model")

    def _variants(self, row: Row) -> Iterable[Row]:
        columns = {k: v for k, v in row.items() if k in self.schema.names and k not in ("status", "stage")}
        columns = {k: v for k, v in columns.items() if k not in ("reason", "detail")} | {"parent": row["id"]}
        columns = {k: v for k, v in columns.items() if v is not None or k not in SEVERAL}
        yield from ({**columns, "id": id_} for id_ in self.ids(row))

    def _prompts(self, task: Task) -> dict[str, Prompt]:
        names = {"plain": self.settings.prompt, "directive": self.settings.directive_prompt}
        return {kind: parse_prompt(self.pipeline.prompts[n], n, task.one_language) for kind, n in names.items()}


def _kept(row: Row, question: str, by: QuestionFrom) -> Outcome:
    return Outcome({**row, "question": question, "question_from": by}, made=by)
