"""Any server that speaks OpenAI's HTTP interface, asked over many connections at once (see `engines.server`).

One that answers in prose where JSON was asked for stops the build, with what to do about it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kespeechchat.config.engines import OpenAISettings
from kespeechchat.engines.llm import LLM, Completion, Request
from kespeechchat.engines.llm.few_shot import STOPS, chat_messages, few_shot_text
from kespeechchat.engines.server import FirstAnswers, Server
from kespeechchat.records import RowError

_SHOWN = 300  # characters of a server's answer in an error
_SEEDS = 2**31  # some servers take signed 32-bit seeds only


class OpenAIServer(LLM):
    """Building it asks the server for its models; EngineError where none answers."""

    deterministic = False

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._server = Server(settings, "vllm serve MODEL")
        self._prose = FirstAnswers()

    def identity(self) -> dict[str, str]:
        return {"llm": f"openai {self._settings.model}", "server": self._server.url}

    def complete(self, requests: Sequence[Request]) -> list[Completion | RowError]:
        """Completions in the order of `requests`. `finish` is `length` where `max_tokens` cut the text. Threads may
        call at once: the requests of a later call begin when those of the earlier ones are all under way."""
        return self._server.map(self._complete, requests)

    def _complete(self, request: Request) -> Completion | RowError:
        place = "/chat/completions" if self._settings.chat else "/completions"
        answer = self._server.ask("POST", place, lambda found: found.json(), json=_body(request, self._settings))
        found = answer if isinstance(answer, RowError) else self._completion(answer)
        if request.schema is not None and isinstance(found, Completion) and found.finish == "stop":
            self._check_schema(found.text)
        return found

    def _check_schema(self, text: str) -> None:
        """Raises EngineError where the server has answered in prose alone."""
        if count := self._prose.useless(not _is_json(text)):
            shown = self._server.clean(text, _SHOWN)
            raise self._server.error(
                f"answers in prose: its first {count} answers of model {self._settings.model!r} hold no JSON, the last "
                f"one {shown!r}; use a server with structured output (`response_format: json_schema`; vLLM's "
                "and llama.cpp's have it), or a model that follows the prompt"
            )

    def _completion(self, answer: Any) -> Completion | RowError:
        try:
            choice = answer["choices"][0]
            text = choice["message"]["content"] if self._settings.chat else choice["text"]
            cut = choice.get("finish_reason") == "length"
            tokens = int((answer.get("usage") or {}).get("completion_tokens") or 0)
        except (KeyError, IndexError, TypeError, AttributeError):
            return self._odd("an answer without choices", answer)
        if not isinstance(text, str):
            return self._odd("an answer without text", choice)
        return Completion(text.strip(), "length" if cut else "stop", tokens)

    def _odd(self, trouble: str, answer: Any) -> RowError:
        return RowError(f"{self._server.url}: {trouble}: {self._server.clean(str(answer), _SHOWN)}")


def _body(request: Request, settings: OpenAISettings) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": settings.model,
        "seed": request.seed % _SEEDS,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
    }
    if settings.chat:
        body["messages"] = chat_messages(request)
    else:
        body["prompt"] = few_shot_text(request)
    if request.schema is not None:
        schema = {"name": "answer", "schema": request.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif not settings.chat:
        body["stop"] = list(STOPS)
    return {**body, **settings.extra}


def _is_json(text: str) -> bool:
    """Whether an object of JSON is in `text`, also between other words or in a fence of Markdown."""
    start, end = text.find("{"), text.rfind("}")
    try:
        return isinstance(json.loads(text[start : end + 1]), dict)
    except ValueError:
        return False
