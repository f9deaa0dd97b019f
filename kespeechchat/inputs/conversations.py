"""Conversations in the forms that people publish them in, read into exchanges of one question and one answer.

Known forms: a list of messages (OpenAI's `role`/`content`, ShareGPT's `from`/`value`), pairs of earlier exchanges
(`history`), and one string with role marks ("Human: …\nAssistant: …", BELLE's multi-turn set, Guanaco).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from kespeechchat.display import value_kind


class Exchange(NamedTuple):
    """What a user says, and what the assistant answers ("": nothing)."""

    user: str
    assistant: str


_USER, _ASSISTANT, _SYSTEM = "user", "assistant", "system"
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "用户", "人类"), _USER),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot", "bing", "bard", "助手"), _ASSISTANT),
    **dict.fromkeys(("system", "developer"), _SYSTEM),
}
_MARKED = "Human|User|用户|人类|Assistant|助手"
_MARK = re.compile(rf"(?:^|\n)[ \t]*(?:#+[ \t]*)?({_MARKED})[ \t]*[:：]|##+[ \t]*({_MARKED})[ \t]*[:：]")
_FIRST = re.compile(r"\s*(?:#+[ \t]*)?(?:Human|User|用户|人类)[ \t]*[:：]")


def from_messages(messages: Any, key: str) -> list[Exchange]:
    """The exchanges of a list of messages, or of its JSON. Raises ValueError that names the message at fault."""
    if isinstance(messages, str):
        try:
            messages = orjson.loads(messages)
        except orjson.JSONDecodeError:
            raise ValueError(f"{key} is text, not a list of messages") from None
    if not isinstance(messages, list):
        raise ValueError(f"{key} is {value_kind(messages)}, not a list of messages")
    return _exchanges(_turn(message, f"{key}[{n}]") for n, message in enumerate(messages))


def with_history(history: Any, user: str, assistant: str) -> list[Exchange]:
    """Earlier exchanges as [question, answer] pairs, then the one of the row. Raises ValueError for another form."""
    if not isinstance(history, list):
        raise ValueError(f"history is {value_kind(history)}, not a list of [question, answer] pairs")
    earlier = []
    for n, pair in enumerate(history):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
            raise ValueError(f"history[{n}] is not a [question, answer] pair of texts")
        earlier.append(Exchange(pair[0].strip(), pair[1].strip()))
    return [*earlier, Exchange(user.strip(), assistant.strip())]


def marked(text: str) -> bool:
    """Whether `text` opens with a user's role mark and has an assistant's too.

    >>> marked("Human: Hi.\\nAssistant: Hello."), marked("Human: the story of our species")
    (True, False)
    """
    opening = text[:24]  # most rows have no colon there: no need to look closer
    if ":" not in opening and "：" not in opening:
        return False
    return bool(_FIRST.match(text)) and any(_role(m) == _ASSISTANT for m in _MARK.finditer(text))


def from_marked(text: str, answer: str = "") -> list[Exchange]:
    """The exchanges of one string with role marks; `answer` follows its last mark."""
    marks = list(_MARK.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    turns = [(_role(mark), text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)]
    if answer:
        turns.append((_ASSISTANT, answer.strip()))
    return _exchanges(turns)


def _role(mark: re.Match[str]) -> str:
    return _ROLES[(mark[1] or mark[2]).lower()]


def _turn(message: Any, where: str) -> tuple[str, str]:
    if not isinstance(message, Mapping):
        raise ValueError(f"{where} is {value_kind(message)}, not a message with `role` and `content`")
    said = message.get("role", message.get("from"))
    role = _ROLES.get(str(said).strip().lower())
    if role is None:
        raise ValueError(f"{where}: role is {said!r}; user (human), assistant (gpt) and system are known")
    text = message.get("content", message.get("value"))
    if isinstance(text, list):
        text = _text_of_parts(text, where)
    if text is not None and not isinstance(text, str):
        raise ValueError(f"{where}: content is {value_kind(text)}, not text: write it as text in quotes")
    return role, (text or "").strip()


def _text_of_parts(parts: list[Any], where: str) -> str:
    """OpenAI's content in parts, all of which must be text."""
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    known = [text for text in texts if isinstance(text, str)]
    if len(known) < len(texts):
        raise ValueError(f"{where}: a part of content is not text; only text is read")
    return "\n".join(known)


def _exchanges(turns: Iterable[tuple[str, str]]) -> list[Exchange]:
    """Turns of one role that follow each other are one; what comes before the first user's turn is passed over."""
    exchanges: list[Exchange] = []
    last = None
    for role, text in turns:
        if role == _SYSTEM or not text:
            continue
        if role == _USER:
            if last == _USER:
                text = f"{exchanges.pop().user}\n{text}"
            exchanges.append(Exchange(text, ""))
        elif exchanges:
            user, said = exchanges[-1]
            exchanges[-1] = Exchange(user, f"{said}\n{text}" if said else text)
        last = role if exchanges else None
    if not exchanges:
        raise ValueError("a conversation without a user's turn")
    return exchanges
