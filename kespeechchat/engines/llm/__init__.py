"""LLM: messages in, completions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kespeechchat.records import RowError
from kespeechchat.text.prompts import Prompt


@dataclass(frozen=True)
class Message:
    role: str  # system | user | assistant
    content: str


def messages(prompt: Prompt, **fields: str) -> tuple[Message, ...]:
    """The prompt with its template filled, as messages."""
    return tuple(Message(role, content) for role, content in prompt.turns(**fields))


@dataclass(frozen=True)
class Request:
    """One completion to make. `messages` hold the system text, the few-shot examples as user/assistant pairs, and the
    question last. A chat model gets them as they are, a base model as a few-shot completion of the same text.
    `schema` is a JSON schema that the completion must satisfy (grammar-constrained where the engine can)."""

    messages: tuple[Message, ...]
    seed: int
    schema: dict[str, Any] | None = None
    max_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.9


@dataclass(frozen=True)
class Completion:
    text: str
    finish: str  # stop | length
    tokens: int


class LLM(Protocol):
    deterministic: bool

    def identity(self) -> dict[str, str]: ...

    def complete(self, requests: Sequence[Request]) -> list[Completion | RowError]:
        """Completions in the order of `requests`."""
        ...


def load(settings: Any) -> LLM:
    match settings.use:
        case "llamacpp":
            from kespeechchat.engines.llm.llamacpp import LlamaCpp

            return LlamaCpp(settings)
        case "openai":
            from kespeechchat.engines.llm.openai import OpenAIServer

            return OpenAIServer(settings)
        case "vllm":
            from kespeechchat.engines.llm.vllm import VLLM

            return VLLM(settings)
    raise ValueError(f"unknown llm engine {settings.use!r}")
