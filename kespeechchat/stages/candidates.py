"""Asking a language model again until its answer passes: round k holds the rows that all earlier rounds left open.

Whole rounds go to the engine at once, so that it can batch; and a row's candidate k has its own seed, so the answer
does not depend on which rows it was asked with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kespeechchat.engines.llm import LLM, Completion, Request
from kespeechchat.records import RowError


@dataclass(frozen=True)
class Judged:
    """A parsed answer, and why it cannot be used (None: it can)."""

    answer: Any
    reason: str | None = None
    detail: str | None = None


def ask_until_usable(
    llm: LLM,
    rows: Sequence[Any],
    request: Callable[[Any, int], Request],
    judge: Callable[[Any, str], Judged],
    candidates: int,
) -> list[Judged | RowError]:
    """Per row the first usable answer; where there is none, the last one with its reason."""
    found: list[Judged | RowError] = [RowError("not asked")] * len(rows)
    waiting = list(range(len(rows)))
    for attempt in range(candidates):
        if not waiting:
            break
        completions = llm.complete([request(rows[i], attempt) for i in waiting])
        for i, completion in zip(waiting, completions, strict=True):
            found[i] = completion if isinstance(completion, RowError) else judge(rows[i], _closed(completion))
        waiting = [i for i in waiting if not _usable(found[i])]
    return found


def _closed(completion: Completion) -> str:
    """The text; one that was stopped is closed as JSON, so that the judge can say what is wrong with it."""
    return completion.text + '"}' if completion.finish == "hopeless" else completion.text


def _usable(answer: Judged | RowError) -> bool:
    return not isinstance(answer, RowError) and answer.reason is None


def nth(values: Sequence[float], candidate: int) -> float:
    """The candidate's own value; the last one for all beyond."""
    return values[min(candidate, len(values) - 1)]
