"""LLM: messages in, completions out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from kespeechchat.engines import Engine
from kespeechchat.records import RowError
from kespeechchat.text.prompts import Prompt


@dataclass(frozen=True)
class Message:
    """One message of a chat. `role`: system, user or assistant."""

    role: str
    content: str


def messages(prompt: Prompt, **fields: str) -> tuple[Message, ...]:
    """The prompt with its template filled, as messages."""
    return tuple(Message(role, content) for role, content in prompt.turns(**fields))


@dataclass(frozen=True)
class Request:
    """One completion to make.

    `messages`: the system text, the few-shot examples as user/assistant pairs, and the question last. A chat model gets
    them as they are, a base model as a few-shot completion of the same text. `schema`: a JSON schema that the
    completion must satisfy (grammar-constrained where the engine can). `hopeless`: given the text so far, whether it
    cannot be used any more; an engine that writes token by token stops there, others need not ask it.
    """

    messages: tuple[Message, ...]
    seed: int
    schema: dict[str, Any] | None = None
    max_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.9
    hopeless: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class Completion:
    """What a model wrote. `finish`: `length` where a limit cut the text, `hopeless` where the request's own test did.
    `tokens`: of the completion alone."""

    text: str
    finish: Literal["stop", "length", "hopeless"]
    tokens: int


class LLM(Engine, Protocol):
    """A language model."""

    def complete(self, requests: Sequence[Request]) -> list[Completion | RowError]:
        """Completions in the order of `requests`."""
        ...
