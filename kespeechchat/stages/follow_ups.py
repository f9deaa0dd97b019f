"""Follow-ups: exchanges that a chat model adds to a dialogue, a part of stage `spoken`.

How many, each dialogue draws from its own seed. The model first asks what the user would ask next, then answers it;
both are judged as all later turns are, and the question by the readable rules of safety and speakability too, because
stage `filter` has not seen it. What cannot be used ends the dialogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kespeechchat.config import text_stages as settings
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines.llm import LLM, Request, messages
from kespeechchat.records import Outcome, RowError
from kespeechchat.seeds import seed_for, stable_uniform
from kespeechchat.stages.base import Task
from kespeechchat.stages.candidates import Judged, ask_until_usable, nth
from kespeechchat.stages.later import Growing, grown, usable
from kespeechchat.stages.later_answers import answers, take
from kespeechchat.text.compose import QUESTION_LENGTH, Dialogue, hopeless, parse_question
from kespeechchat.text.later import history, judge_later_question
from kespeechchat.text.prompts import Prompt, parse_prompt
from kespeechchat.text.safety import unsafe
from kespeechchat.text.suitability import unsuitable

_STAGE = "spoken"  # names the seeds


def exchanges_drawn(weights: Mapping[int, float], uniform: float) -> int:
    """How many exchanges `uniform` (0 to 1) draws.

    >>> [exchanges_drawn({0: 1, 2: 3}, u) for u in (0.0, 0.24, 0.26, 0.99)]
    [0, 0, 2, 2]
    """
    reached, whole = 0.0, sum(weights.values())
    for count, weight in sorted(weights.items()):
        reached += weight / whole
        if uniform < reached:
            return count
    return max(count for count, weight in weights.items() if weight)


class FollowUps:
    """Writes them for the rows of one shard."""

    def __init__(self, llm: LLM, settings: settings.Spoken, pipeline: Pipeline, task: Task) -> None:
        self._llm, self._settings, self._pipeline, self._task = llm, settings, pipeline, task

    def added(self, outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
        """The outcomes, each kept row with as many further exchanges as it draws. A dialogue that ended because one of
        its own turns could not be said gets none."""
        return outcomes if self._settings.follow_ups is None else grown(outcomes, self._begin, self._advance)

    def _begin(self, outcome: Outcome) -> Growing | None:
        row, wanted = outcome.row, self._settings.follow_ups
        assert wanted is not None
        count = exchanges_drawn(wanted.exchanges, stable_uniform(self._pipeline.seed, _STAGE, "follow-ups", row["id"]))
        if row.get("ended") or not count:
            return None
        there = row.get("later") or []
        said = [Dialogue(e["instruction"], e["response"]) for e in (row, *there)]
        return Growing(outcome, [*there, *({} for _ in range(count))], said, list(there))

    def _advance(self, rows: list[Growing]) -> None:
        wanted = self._settings.follow_ups
        assert wanted is not None and self._settings.later_prompt is not None
        prompt = self._prompt(wanted.prompt)
        asked = {one.id: question for one, question in usable(rows, self._questions(rows, prompt))}
        waiting = [one for one in rows if one.id in asked]
        if not waiting:
            return
        nothing: dict[str, str | None] = dict.fromkeys(asked)
        prompt = self._prompt(self._settings.later_prompt)
        found = answers(self._llm, self._settings, self._pipeline.seed, waiting, asked, nothing, prompt)
        for one, reply in usable(waiting, found):
            take(one, asked[one.id], reply, "model")

    def _questions(self, rows: Sequence[Growing], prompt: Prompt) -> list[Judged | RowError]:
        language = self._task.one_language
        _, longest = QUESTION_LENGTH[language]

        def request(one: Growing, candidate: int) -> Request:
            return Request(
                messages(prompt, history=history(one.said, language)),
                seed=seed_for(self._pipeline.seed, _STAGE, one.id, "follow-up", one.place, candidate),
                schema=prompt.schema,
                max_tokens=self._settings.max_tokens,
                temperature=nth(self._settings.temperatures, candidate),
                hopeless=lambda text: hopeless(text, language, longest),
            )

        def judge(one: Growing, text: str) -> Judged:
            question = parse_question(text, language)
            reason = judge_later_question(question, None, one.said, prompt, longest)
            if question is not None and reason is None:
                reason = "unsafe_rule" if unsafe(question, language) else None
                reason = reason or ("unsuitable_rule" if unsuitable(question, language) else None)
            return Judged(question, reason, text)

        return ask_until_usable(self._llm, rows, request, judge, self._settings.candidates)

    def _prompt(self, name: str) -> Prompt:
        return parse_prompt(self._pipeline.prompts[name], name, self._task.one_language)
