"""spoken: a question becomes a dialogue in spoken style, an instruction and its response (arXiv 2412.01078, sec. 3.1).

Grounded (off in the paper), the prompt carries the source's own answer and the response is held to it: a small model
knows little. The dialogue's split is drawn here, on its text, before it gets a voice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from kespeechchat.config import stages as settings
from kespeechchat.config.base import pick
from kespeechchat.dataset.dialogue_splits import dialogue_split
from kespeechchat.engines.llm import Request, messages
from kespeechchat.records import Outcome, RowError, failed, rejected
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.stages.candidates import Judged, ask_until_usable, nth
from kespeechchat.text.compose import judge_dialogue, parse_dialogue, spoken_fields
from kespeechchat.text.directive import is_directive
from kespeechchat.text.prompts import Prompt, parse_prompt

_COLUMNS = ("source", "language", "task", "instruction", "input", "question", "reference")
_CARRIED = ("id", "source", "language", "task", "question", "reference")


class Spoken(Stage[settings.Spoken]):
    """Instruction and response as they are spoken, with the split."""

    name: ClassVar[str] = "spoken"
    version: ClassVar[int] = 3
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {"filter": _COLUMNS}

    def setup(self) -> None:
        self.llm = self._engine("llm", self.settings.llm)

    def process(self, task: Task) -> Iterable[Outcome]:
        carried = [({k: row[k] for k in _CARRIED}, _answers_the_question(row)) for row in task.rows]
        if self.settings.require_reference:
            yield from (rejected(row, "no_reference", row["question"]) for row, answered in carried if not answered)
            carried = [(row, answered) for row, answered in carried if answered]
        rows = [row if answered else {**row, "reference": None} for row, answered in carried]
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
            )

        def judge(row: Row, text: str) -> Judged:
            prompt = grounded if reference(row) else open_
            dialogue = parse_dialogue(text, prompt.language)
            longest = pick(self.settings.max_length, prompt.language)
            return Judged(dialogue, judge_dialogue(dialogue, row["question"], reference(row), prompt, longest), text)

        found = ask_until_usable(self.llm, rows, request, judge, self.settings.candidates)
        for row, judged in zip(rows, found, strict=True):
            yield self._settle(row, judged)

    def _settle(self, row: Row, judged: Judged | RowError) -> Outcome:
        if isinstance(judged, RowError):
            return failed(row, judged.message)
        if judged.reason:
            return rejected(row, judged.reason, judged.detail)
        said = judged.answer.instruction
        split = dialogue_split(said, self.settings.splits, self.pipeline.seed)
        return Outcome({**row, "split": split, "instruction": said, "response": judged.answer.response})

    def _prompt(self, name: str, task: Task) -> Prompt:
        return parse_prompt(self.pipeline.prompts[name], name, task.one_language)


def _answers_the_question(row: Row) -> bool:
    """A directive's reference answers the directive ("positive"), which the question no longer asks."""
    return bool(row["reference"]) and not is_directive(row["task"], row["instruction"], row["input"] or "")
