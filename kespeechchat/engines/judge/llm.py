"""Judge by asking: a language model gets the criterion's prompt and answers `{"verdict": true|false}`.

Only the first few of the prompt's labelled examples are shown, true and false in turn: dozens of them would fill the
context of a small model and slow every question of a large one. The answer is drawn at temperature 0; the score is
1.0 or 0.0, for a constrained completion carries no probability.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kespeechchat.config.engines import LLMJudgeSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.judge import Judge, Verdict
from kespeechchat.engines.llm import LLM, Completion, Message, Request
from kespeechchat.engines.registry import load
from kespeechchat.records import Language, RowError
from kespeechchat.text.prompts import Prompt

_MAX_TOKENS = 16  # {"verdict": false} takes 6 to 9
_SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "boolean"}},
    "required": ["verdict"],
    "additionalProperties": False,
}


class LLMJudge(Judge):
    """Building it loads the language model, unless `llm` hands one over that is loaded already."""

    def __init__(self, settings: LLMJudgeSettings, llm: LLM | None = None) -> None:
        self._shots = settings.shots
        self._llm = llm if llm is not None else load(settings.llm)
        self.deterministic = self._llm.deterministic

    def identity(self) -> dict[str, str]:
        return {"judge": "llm", **self._llm.identity()}

    def judge(
        self, texts: Sequence[str], criterion: Prompt, language: Language, seeds: Sequence[int]
    ) -> list[Verdict | RowError]:
        """One verdict a text, in order. An answer that is no verdict is a RowError with the answer in it."""
        if criterion.language != language:
            raise EngineError(f"criterion {criterion.name!r} is for {criterion.language!r}, the texts are {language!r}")
        shown = replace(criterion, examples=tuple(shots(criterion.examples, self._shots)))
        requests = [_request(shown, text, seed) for text, seed in zip(texts, seeds, strict=True)]
        return [_verdict(answer) for answer in self._llm.complete(requests)]


def shots(examples: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The first `count` examples such that labels alternate, beginning with true; shorter where one label runs out."""
    by_label = {label: [e for e in examples if e["label"] is label] for label in (True, False)}
    pairs = zip(by_label[True], by_label[False], strict=False)
    return [example for pair in pairs for example in pair][:count]


def _request(criterion: Prompt, text: str, seed: int) -> Request:
    messages = tuple(Message(role, content) for role, content in criterion.turns(text=text))
    return Request(messages, seed, criterion.schema or _SCHEMA, max_tokens=_MAX_TOKENS, temperature=0.0)


def _verdict(answer: Completion | RowError) -> Verdict | RowError:
    if isinstance(answer, RowError):
        return answer
    try:
        verdict = json.loads(answer.text)["verdict"]
    except (ValueError, KeyError, TypeError):
        verdict = None
    if not isinstance(verdict, bool):
        return RowError(f"the judge answered {answer.text!r}, not {{'verdict': true|false}}")
    return Verdict(1.0 if verdict else 0.0)
