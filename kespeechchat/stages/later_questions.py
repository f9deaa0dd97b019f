"""Later user turns of a conversation, as a person would say them: a part of stage `rewrite`."""

from __future__ import annotations

from collections.abc import Iterable

from kespeechchat.config import text_stages as settings
from kespeechchat.config.base import pick
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines.llm import LLM, Request, messages
from kespeechchat.records import Outcome, RowError
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Task
from kespeechchat.stages.candidates import Judged, ask_until_usable, nth
from kespeechchat.stages.later import Growing, grown, usable
from kespeechchat.text.compose import Dialogue, gist, hopeless, parse_question, question_by_rule
from kespeechchat.text.later import again, judge_later_question, question_fields
from kespeechchat.text.prompts import Prompt, parse_prompt

_STAGE = "rewrite"  # names the seeds


class LaterQuestions:
    """Makes them for the rows of one shard, by rule where the profile has that, else by the model."""

    def __init__(self, llm: LLM, settings: settings.Rewrite, pipeline: Pipeline, task: Task) -> None:
        self._llm, self._settings, self._pipeline, self._task = llm, settings, pipeline, task

    def added(self, outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
        """The outcomes, each kept row with its later questions. A question that cannot be said ends the dialogue."""
        return grown(outcomes, self._begin, self._advance)

    def _begin(self, outcome: Outcome) -> Growing | None:
        row = outcome.row
        if not row.get("later"):
            return None
        return Growing(outcome, row["later"], [self._said(row["question"], row["reference"])])

    def _advance(self, rows: list[Growing]) -> None:
        waiting = [one for one in rows if not self._by_rule(one)]
        if not waiting:
            return
        if self._settings.later_prompt is None:
            for one in waiting:
                one.ended = "no_rule"
            return
        prompt = parse_prompt(
            self._pipeline.prompts[self._settings.later_prompt], self._settings.later_prompt, self._task.one_language
        )
        for one, question in usable(waiting, self._by_model(waiting, prompt)):
            self._take(one, question, "model")

    def _by_rule(self, one: Growing) -> bool:
        if not self._settings.by_rule:
            return False
        language = self._task.one_language
        longest = pick(self._settings.max_length, language)
        turn = seed_for(self._pipeline.seed, _STAGE, one.id, "frame", one.place)
        found = question_by_rule(one.next["instruction"], "", None, language, longest, turn)
        if found is None:
            return False
        question, way = found
        if reason := again(question, one.said, language):
            one.ended = reason
        else:
            self._take(one, question, way)
        return True

    def _by_model(self, rows: list[Growing], prompt: Prompt) -> list[Judged | RowError]:
        language = self._task.one_language
        longest = pick(self._settings.max_length, language)

        def request(one: Growing, candidate: int) -> Request:
            return Request(
                messages(prompt, **question_fields(one.next["instruction"], one.said, language)),
                seed=seed_for(self._pipeline.seed, _STAGE, one.id, "later", one.place, candidate),
                schema=prompt.schema,
                max_tokens=self._settings.max_tokens,
                temperature=nth(self._settings.temperatures, candidate),
                hopeless=lambda text: hopeless(text, language, longest),
            )

        def judge(one: Growing, text: str) -> Judged:
            question = parse_question(text, language)
            reason = judge_later_question(question, one.next["instruction"], one.said, prompt, longest)
            return Judged(question, reason, text)

        return ask_until_usable(self._llm, rows, request, judge, self._settings.candidates)

    def _take(self, one: Growing, question: str, way: str) -> None:
        reference = one.next["reference"]
        one.made.append({**one.next, "question": question, "question_from": way})
        one.said.append(self._said(question, reference))

    def _said(self, question: str, reference: str | None) -> Dialogue:
        """An exchange as the source has it: the answers are not yet written when questions are."""
        return Dialogue(question, gist(reference, self._task.one_language) if reference else "")
