"""spoken: a question becomes a dialogue in spoken style, an instruction and its response (arXiv 2412.01078, sec. 3.1).

Grounded (off in the paper), the prompt carries the source's own answer and the response is held to it: a small model
knows little. The dialogue's split is drawn here, on its text, before it gets a voice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from kespeechchat.config import text_stages as settings
from kespeechchat.config.base import pick
from kespeechchat.dataset.dialogue_splits import dialogue_split
from kespeechchat.engines.llm import Request, messages
from kespeechchat.records import Outcome, RowError, failed, rejected
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.stages.candidates import Judged, ask_until_usable, nth
from kespeechchat.stages.follow_ups import FollowUps
from kespeechchat.stages.later import SEVERAL
from kespeechchat.stages.later_answers import LaterAnswers
from kespeechchat.text.compose import (
    Dialogue,
    dialogue_by_rule,
    hopeless,
    judge_dialogue,
    parse_dialogue,
    plain_request,
    spoken_fields,
)
from kespeechchat.text.prompts import Prompt, parse_prompt

_COLUMNS = ("source", "language", "task", "instruction", "input", "question", "question_from", "reference", *SEVERAL)
_CARRIED = ("id", "source", "language", "task", "question", "reference")


class Spoken(Stage[settings.Spoken]):
    """Instruction and response as they are spoken, with the split."""

    name: ClassVar[str] = "spoken"
    version: ClassVar[int] = 6  # 6: the answer to a directive that was said with its text; short answers made whole
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {"filter": _COLUMNS}

    def setup(self) -> None:
        self.llm = self._engine("llm", self.settings.llm)

    def process(self, task: Task) -> Iterable[Outcome]:
        """Each question with a response and a split, or its rejection with the last candidate's reason; of a
        conversation, with its later exchanges."""
        parts = (self.llm, self.settings, self.pipeline, task)
        yield from FollowUps(*parts).added(LaterAnswers(*parts).added(self._first(task)))

    def _first(self, task: Task) -> Iterable[Outcome]:
        """The first exchange of each row."""
        carried = [(_carried(row), _answers_the_question(row)) for row in task.rows]
        if self.settings.require_reference:
            yield from (rejected(row, "no_reference", row["question"]) for row, answered in carried if not answered)
            carried = [(row, answered) for row, answered in carried if answered]
        rows = [row if answered else {**row, "reference": None} for row, answered in carried]
        if self.settings.by_rule:
            by_rule = [self._by_rule(row, task) for row in rows]
            yield from (outcome for outcome in by_rule if outcome)
            rows = [row for row, outcome in zip(rows, by_rule, strict=True) if not outcome]
            # What is asked of a given text, a small model cannot answer: the source's answer is said, or none.
            given = {row["id"] for row in task.rows if row.get("question_from") == "with_given"}
            yield from (rejected(row, "no_spoken_answer", row["reference"]) for row in rows if row["id"] in given)
            rows = [row for row in rows if row["id"] not in given]
        if rows:
            yield from self._by_model(rows, task)

    def _by_rule(self, row: Row, task: Task) -> Outcome | None:
        longest = pick(self.settings.max_length, task.one_language)
        dialogue = row["reference"] and dialogue_by_rule(row["question"], row["reference"], task.one_language, longest)
        return self._kept(row, dialogue, "source") if dialogue else None

    def _by_model(self, rows: list[Row], task: Task) -> Iterable[Outcome]:
        longest = pick(self.settings.max_length, task.one_language)
        open_, grounded = (self._prompt(name, task) for name in (self.settings.prompt, self.settings.grounded_prompt))

        def reference(row: Row) -> str | None:
            return row["reference"] if self.settings.grounded else None

        def request(row: Row, candidate: int) -> Request:
            prompt = grounded if reference(row) else open_
            return Request(
                messages(prompt, **spoken_fields(row["question"], reference(row), prompt.language)),
                seed=seed_for(self.pipeline.seed, self.name, row["id"], candidate),
                schema=prompt.schema,
                max_tokens=self.settings.max_tokens,
                temperature=nth(self.settings.temperatures, candidate),
                hopeless=lambda text: hopeless(text, task.one_language, longest),
            )

        def judge(row: Row, text: str) -> Judged:
            prompt = grounded if reference(row) else open_
            dialogue = parse_dialogue(text, prompt.language)
            return Judged(dialogue, judge_dialogue(dialogue, row["question"], reference(row), prompt, longest), text)

        found = ask_until_usable(self.llm, rows, request, judge, self.settings.candidates)
        for row, judged in zip(rows, found, strict=True):
            yield self._settle(row, judged)

    def _settle(self, row: Row, judged: Judged | RowError) -> Outcome:
        if isinstance(judged, RowError):
            return failed(row, judged.message)
        if judged.reason:
            return rejected(row, judged.reason, judged.detail)
        return self._kept(row, judged.answer, "model")

    def _kept(self, row: Row, dialogue: Dialogue, by: str) -> Outcome:
        split = dialogue_split(dialogue.instruction, self.settings.splits, self.pipeline.seed)
        said = {"instruction": dialogue.instruction, "response": dialogue.response, "response_from": by}
        return Outcome({**row, "split": split, **said}, made=by)

    def _prompt(self, name: str, task: Task) -> Prompt:
        return parse_prompt(self.pipeline.prompts[name], name, task.one_language)


def _carried(row: Row) -> Row:
    return {k: row[k] for k in _CARRIED} | {k: row[k] for k in SEVERAL if row.get(k) is not None}


def _answers_the_question(row: Row) -> bool:
    """A directive's reference answers the directive ("positive"): a question asks that only with its text."""
    asked = plain_request(row["instruction"], row["input"] or "", row["task"])
    return bool(row["reference"]) and (asked is not None or row.get("question_from") == "with_given")
