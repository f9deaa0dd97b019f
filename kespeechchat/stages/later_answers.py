"""The agent's answers to later questions, in spoken style: a part of stage `spoken`."""

from __future__ import annotations

from collections.abc import Iterable

from kespeechchat.config import text_stages as settings
from kespeechchat.config.base import pick
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines.llm import LLM, Request, messages
from kespeechchat.records import Outcome, RowError
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Row, Task
from kespeechchat.stages.candidates import Judged, ask_until_usable, nth
from kespeechchat.stages.later import Growing, grown, usable
from kespeechchat.text.compose import Dialogue, dialogue_by_rule, hopeless
from kespeechchat.text.later import answer_fields, judge_later_answer, parse_answer
from kespeechchat.text.prompts import Prompt, parse_prompt

_STAGE = "spoken"  # names the seeds


class LaterAnswers:
    """Makes them for the rows of one shard: the source's own answer by rule, where the profile has that, else the
    model's."""

    def __init__(self, llm: LLM, settings: settings.Spoken, pipeline: Pipeline, task: Task) -> None:
        self._llm, self._settings, self._pipeline, self._task = llm, settings, pipeline, task

    def added(self, outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
        """The outcomes, each kept row with its later exchanges. One that cannot be made ends the dialogue."""
        return grown(outcomes, self._begin, self._advance)

    def _begin(self, outcome: Outcome) -> Growing | None:
        row = outcome.row
        if not row.get("later"):
            return None
        return Growing(outcome, row["later"], [Dialogue(row["instruction"], row["response"])])

    def _advance(self, rows: list[Growing]) -> None:
        waiting = [one for one in rows if not (self._unanswered(one) or self._by_rule(one))]
        if not waiting:
            return
        if self._settings.later_prompt is None:
            for one in waiting:
                one.ended = "no_rule"
            return
        for one, answer in usable(waiting, self._by_model(waiting, self._settings.later_prompt)):
            take(one, one.next["question"], answer, "model")

    def _unanswered(self, one: Growing) -> bool:
        if not self._settings.require_reference or one.next["reference"]:
            return False
        one.ended = "no_reference"
        return True

    def _by_rule(self, one: Growing) -> bool:
        reference = one.next["reference"] if self._settings.by_rule else None
        longest = pick(self._settings.max_length, self._task.one_language)
        question = one.next["question"]
        found = reference and dialogue_by_rule(question, reference, self._task.one_language, longest)
        if not found:
            return False
        take(one, question, found.response, "source")
        return True

    def _by_model(self, rows: list[Growing], name: str) -> list[Judged | RowError]:
        prompt = parse_prompt(self._pipeline.prompts[name], name, self._task.one_language)
        known = {one.id: one.next["reference"] if self._settings.grounded else None for one in rows}
        asked = {one.id: one.next["question"] for one in rows}
        return answers(self._llm, self._settings, self._pipeline.seed, rows, asked, known, prompt)


def answers(
    llm: LLM,
    settings: settings.Spoken,
    seed: int,
    rows: list[Growing],
    asked: dict[str, str],
    known: dict[str, str | None],
    prompt: Prompt,
) -> list[Judged | RowError]:
    """The model's answer to what is `asked` next in each row, by its id; `known`: what the answer is held to."""
    language = prompt.language
    longest = pick(settings.max_length, language)

    def request(one: Growing, candidate: int) -> Request:
        return Request(
            messages(prompt, **answer_fields(asked[one.id], known[one.id], one.said, language)),
            seed=seed_for(seed, _STAGE, one.id, "later", one.place, candidate),
            schema=prompt.schema,
            max_tokens=settings.max_tokens,
            temperature=nth(settings.temperatures, candidate),
            hopeless=lambda text: hopeless(text, language, longest),
        )

    def judge(one: Growing, text: str) -> Judged:
        response = parse_answer(text, language)
        reason = judge_later_answer(response, asked[one.id], known[one.id], one.said, prompt, longest)
        return Judged(response, reason, text)

    return ask_until_usable(llm, rows, request, judge, settings.candidates)


def take(one: Growing, question: str, response: str, way: str) -> None:
    """Adds the exchange to the row."""
    source: Row = one.next if len(one.made) < len(one.wanted) else {}
    of_source = {name: source.get(name) for name in ("question", "reference")}
    one.made.append(of_source | {"instruction": question, "response": response, "response_from": way})
    one.said.append(Dialogue(question, response))
