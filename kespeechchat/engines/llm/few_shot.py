"""What a base model reads instead of a chat: the messages as one text that it goes on with."""

from __future__ import annotations

from kespeechchat.engines.llm import Message, Request

_LABELS = {"user": "Input: ", "assistant": "Output: "}
STOPS = ("\n\n", "\n" + _LABELS["user"])  # where a free answer ends; one under a schema ends by itself


def few_shot_text(request: Request) -> str:
    """System text, examples and question; the text ends where the answer begins."""
    return shared_text(request) + _block(request.messages[-1]) + "\n" + _LABELS["assistant"].rstrip()


def shared_text(request: Request) -> str:
    """The part that all requests of one prompt file begin with: all but the last message."""
    out = ""
    for m in request.messages[:-1]:
        out += _block(m) + ("\n" if m.role == "user" else "\n\n")
    return out


def chat_messages(request: Request) -> list[dict[str, str]]:
    """The messages as chat models and their servers take them."""
    return [{"role": m.role, "content": m.content} for m in request.messages]


def _block(message: Message) -> str:
    return _LABELS.get(message.role, "") + message.content
