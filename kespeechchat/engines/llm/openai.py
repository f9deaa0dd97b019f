"""Any server that speaks OpenAI's HTTP interface, asked over many connections at once.

A busy or broken answer (429, 5xx, a time-out, a lost connection, no JSON) is asked again after a wait that doubles, or
that the server names itself (`Retry-After`). What the server refuses for one request alone is that request's RowError;
a refused key, an unknown model, a server that is gone, or one that answers in prose where JSON was asked for, stops the
build, with what to do about it.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2

from kespeechchat.config.engines import OpenAISettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.llm import LLM, Completion, Request
from kespeechchat.engines.llm.few_shot import STOPS, chat_messages, few_shot_text
from kespeechchat.records import RowError

_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_ALIVE = frozenset({200, 404, 405})  # a server without a list of models may still complete
_LONGEST_WAIT = 60.0  # s, between two tries
_SHOWN = 300  # characters of a server's answer in an error
_PROSE = 8  # answers without JSON, from the first on, after which the server is taken to know no schema
_SEEDS = 2**31  # some servers take signed 32-bit seeds only


class OpenAIServer(LLM):
    """Building it asks the server for its models; EngineError where none answers."""

    deterministic = False

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._url = settings.url.rstrip("/")
        self._key = _key(settings.key_variable)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        limits = httpx2.Limits(max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency)
        self._pool = ThreadPoolExecutor(settings.concurrency)
        self._client = httpx2.Client(headers=headers, timeout=settings.timeout, limits=limits)
        self._schema_kept: bool | None = None  # whether a JSON schema was ever kept; None: nothing is known yet
        self._prose, self._counting = 0, threading.Lock()
        alive = self._patiently("GET", "/models", fine=_ALIVE)
        if isinstance(alive, RowError):
            raise self._unusable(alive.message)

    def identity(self) -> dict[str, str]:
        return {"llm": f"openai {self._settings.model}", "server": self._url}

    def complete(self, requests: Sequence[Request]) -> list[Completion | RowError]:
        """Completions in the order of `requests`. `finish` is `length` where `max_tokens` cut the text. Threads may
        call at once: the requests of a later call begin when those of the earlier ones are all under way."""
        asked = [self._pool.submit(self._complete, request) for request in requests]
        try:
            return [answer.result() for answer in asked]
        finally:
            for answer in asked:
                answer.cancel()

    def _complete(self, request: Request) -> Completion | RowError:
        place = "/chat/completions" if self._settings.chat else "/completions"
        answer = self._patiently("POST", place, _body(request, self._settings))
        found = answer if isinstance(answer, RowError) else self._completion(answer)
        if request.schema is not None and isinstance(found, Completion) and found.finish == "stop":
            self._check_schema(found.text)
        return found

    def _check_schema(self, text: str) -> None:
        """Raises EngineError where the server has answered in prose alone."""
        kept = _is_json(text)
        with self._counting:
            self._schema_kept = self._schema_kept or kept
            self._prose += not kept
            hopeless = not self._schema_kept and self._prose >= _PROSE
        if hopeless:
            raise EngineError(
                self._clean(
                    f"llm.use: openai: {self._url} answers in prose: its first {self._prose} answers of model "
                    f"{self._settings.model!r} hold no JSON, the last one {text[:_SHOWN]!r}; use a server with "
                    "structured output (`response_format: json_schema`; vLLM's and llama.cpp's have it), or a model "
                    "that follows the prompt"
                )
            )

    def _completion(self, answer: Any) -> Completion | RowError:
        try:
            choice = answer["choices"][0]
            text = choice["message"]["content"] if self._settings.chat else choice["text"]
            cut = choice.get("finish_reason") == "length"
            tokens = int((answer.get("usage") or {}).get("completion_tokens") or 0)
        except (KeyError, IndexError, TypeError, AttributeError):
            return RowError(self._clean(f"{self._url}: an answer without choices: {str(answer)[:_SHOWN]}"))
        if not isinstance(text, str):
            return RowError(self._clean(f"{self._url}: an answer without text: {str(choice)[:_SHOWN]}"))
        return Completion(text.strip(), "length" if cut else "stop", tokens)

    def _patiently(
        self, method: str, place: str, body: dict[str, Any] | None = None, fine: frozenset[int] = frozenset({200})
    ) -> Any:
        """The answer's JSON, or a RowError when the tries are used up. EngineError where no try can help."""
        for attempt in range(self._settings.retries + 1):
            last = attempt == self._settings.retries
            wait: float | None = None
            try:
                response = self._client.request(method, self._url + place, json=body)
                if response.status_code in fine:
                    return response.json() if response.status_code == 200 else None
                trouble = self._shown(response)
                if response.status_code not in _BUSY:
                    return self._refused(response.status_code, trouble)
                wait = _asked_wait(response)
            except httpx2.TimeoutException:
                trouble = (
                    f"no answer within {self._settings.timeout:g} s; is the server too slow for "
                    f"{self._settings.concurrency} requests at once? Lower the engine's `concurrency`, or raise "
                    "its `timeout`"
                )
            except httpx2.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
                if last and isinstance(error, httpx2.ConnectError):
                    raise self._unusable(trouble) from None
            except ValueError:
                trouble = "an answer that is not JSON: " + self._clean(response.text[:_SHOWN])
            if not last:
                time.sleep(wait if wait is not None else self._backoff(attempt))
        return RowError(self._clean(f"{self._url}: given up after {self._settings.retries + 1} tries: {trouble}"))

    def _backoff(self, attempt: int) -> float:
        """Seconds: doubles, up to a minute, and scattered so that retries do not come all at once."""
        return min(_LONGEST_WAIT, self._settings.backoff * 2.0**attempt) * random.uniform(0.5, 1.0)

    def _refused(self, status: int, trouble: str) -> RowError:
        if status in (401, 403):
            raise EngineError(
                f"llm.use: openai: {self._url} refuses the key ({trouble}); name the environment variable that holds "
                f"it with key_variable (now {self._settings.key_variable!r}) and set it where the workers run"
            )
        if status == 404:
            raise EngineError(
                f"llm.use: openai: {self._url} has no model {self._settings.model!r} or no such address ({trouble}); "
                f"`model` must be one of {self._url}/models, and `url` end with the version part, as in /v1"
            )
        return RowError(self._clean(f"{self._url}: {trouble}"))

    def _unusable(self, trouble: str) -> EngineError:
        return EngineError(
            self._clean(
                f"llm.use: openai: no server at {self._url} ({trouble}); start one (e.g. vllm serve MODEL) or correct "
                "`url`; it must be reachable from every worker"
            )
        )

    def _shown(self, response: httpx2.Response) -> str:
        return self._clean(f"HTTP {response.status_code}: {' '.join(response.text[:_SHOWN].split())}")

    def _clean(self, text: str) -> str:
        """Servers echo keys; errors end up in records."""
        return text.replace(self._key, "***") if self._key else text


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise EngineError(
            f"llm.use: openai: key_variable names {variable}, which is not set here; set it in the environment of "
            "the workers (Ray: runtime_env.env_vars of the cluster, never of the profile)"
        )
    return key


def _asked_wait(response: httpx2.Response) -> float | None:
    """`Retry-After` in seconds; its other form, a date, counts as not given."""
    try:
        return min(_LONGEST_WAIT, max(0.0, float(response.headers.get("retry-after", ""))))
    except ValueError:
        return None


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
