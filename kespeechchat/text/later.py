"""As `compose`, of every exchange after the first: what a language model is asked, and what is wrong with its answer.

A later turn leans on what was said before it ("And how long does that take?"). So the model sees the exchanges before,
and a question is about the same subject where it shares content with them or with its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kespeechchat.records import Language
from kespeechchat.text import checks
from kespeechchat.text.compose import (
    ECHO,
    QUESTION_LENGTH,
    RESPONSE_LENGTH,
    SAME_SUBJECT,
    Dialogue,
    example_outputs,
    flat,
    gist,
    ill_formed,
    json_object,
    tidy,
)
from kespeechchat.text.prompts import Prompt
from kespeechchat.text.similarity import overlap, restates, similarity

_MARKS: dict[Language, tuple[str, str]] = {"zh": ("用户：", "助手："), "en": ("User: ", "Assistant: ")}
_UNKNOWN: dict[Language, str] = {"zh": "无", "en": "none"}


def history(exchanges: Sequence[Dialogue], language: Language) -> str:
    """What was said so far, a turn a line, as prompts show it.

    >>> history([Dialogue("Why is it dark?", "It is night.")], "en")
    'User: Why is it dark?\\nAssistant: It is night.'
    """
    user, agent = _MARKS[language]
    lines = [(user + flat(e.instruction), agent + flat(e.response)) for e in exchanges]
    return "\n".join(line for pair in lines for line in pair if not line.endswith(("：", ": ")))


def question_fields(text: str, exchanges: Sequence[Dialogue], language: Language) -> dict[str, str]:
    """Fields of the prompt `rewrite-later`: the exchanges before, and the turn as it is written."""
    return {"history": history(exchanges, language), "text": flat(text)}


def answer_fields(
    question: str, reference: str | None, exchanges: Sequence[Dialogue], language: Language
) -> dict[str, str]:
    """Fields of the prompt `spoken-later`; without a source's answer, `reference` says that there is none."""
    known = gist(reference, language) if reference else _UNKNOWN[language]
    return {"history": history(exchanges, language), "question": flat(question), "reference": known}


def parse_answer(completion: str, language: Language) -> str | None:
    """The answer in a completion; None where it is no JSON object with a text `response`."""
    answer = json_object(completion)
    text: Any = answer.get("response") if answer else None
    return tidy(text, language) if isinstance(text, str) else None


def judge_later_question(
    question: str | None,
    text: str | None,
    exchanges: Sequence[Dialogue],
    prompt: Prompt,
    longest: int | None = None,
) -> str | None:
    """Why a later question cannot be used, or None. `text`: the turn as its source has it; None: the model asks what it
    wants (a follow-up), about what was said. `longest` in characters (zh) or words (en)."""
    if question is None:
        return "malformed"
    language = prompt.language
    short, long = QUESTION_LENGTH[language]
    said = f"{text or ''} {' '.join(f'{e.instruction} {e.response}' for e in exchanges)}"
    return (
        ill_formed(question, language, short, longest or long)
        or (None if question.endswith(("?", "？")) else "no_question")
        or checks.copied(question, example_outputs(prompt, "question"), language, said)
        or again(question, exchanges, language)
        or ("off_topic" if overlap(question, said, language, content=True)[0] < SAME_SUBJECT[language] else None)
    )


def judge_later_answer(
    response: str | None,
    question: str,
    reference: str | None,
    exchanges: Sequence[Dialogue],
    prompt: Prompt,
    longest: int | None = None,
) -> str | None:
    """Why the answer to a later question cannot be used, or None. With a `reference` it must agree with that."""
    if response is None:
        return "malformed"
    language = prompt.language
    known = gist(reference, language) if reference else None
    short, long = RESPONSE_LENGTH[language]
    said = f"{history(exchanges, language)} {question} {known or ''}"
    return (
        ill_formed(response, language, short, longest or long)
        or checks.copied(response, example_outputs(prompt, "response"), language, said)
        or ("echo" if similarity(question, response, language) >= ECHO else None)
        or ("question_back" if response.endswith(("?", "？")) else None)
        or ("said_before" if any(similarity(response, e.response, language) >= ECHO for e in exchanges) else None)
        or (checks.disagrees(response, known, language, question) if known else None)
        or ("echo" if restates(response, question, language) else None)
    )


def again(question: str, exchanges: Sequence[Dialogue], language: Language) -> str | None:
    """`asked_before` where the user asked the same already."""
    asked = any(similarity(question, e.instruction, language) >= ECHO for e in exchanges)
    return "asked_before" if asked else None
