"""A server with OpenAI's HTTP interface, asked over many connections at once: what its engines have in common.

A busy or broken answer (429, 5xx, a time-out, a lost connection, an answer that is not what was asked for) is asked
again after a wait that doubles, or that the server names itself (`Retry-After`). What the server refuses for one
request alone is that request's RowError; a refused key, an unknown model, or a server that is gone, stops the build,
with what to do about it.
"""

from __future__ import annotations

import math
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx2

from kespeechchat.config.server_engines import ServerSettings
from kespeechchat.engines import EngineError
from kespeechchat.records import RowError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_ALIVE = frozenset({200, 404, 405})  # a server without a list of models may still do its work
_LONGEST_WAIT = 60.0  # s, between two tries
_SHOWN = 300  # characters of a server's answer in an error
_HOPELESS = 8  # answers of no use, from the first on, after which the server is taken to have none of use


class NoAnswer(ValueError):
    """An answer that is not what was asked for; the message says how. It may be another the next time."""


class Server:
    """One server of `settings`. Building it asks the server for its models; EngineError where none answers.

    `starts_with`: a command that starts such a server, for the error where there is none. Threads may call at once.
    """

    def __init__(self, settings: ServerSettings, starts_with: str) -> None:
        self.settings = settings
        self.url = settings.url.rstrip("/")
        self.what = f"{settings.capability}.use: {settings.use}"
        self._starts_with = starts_with
        self._key = self._read_key(settings.key_variable)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        limits = httpx2.Limits(max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency)
        self._pool = ThreadPoolExecutor(settings.concurrency)
        self._client = httpx2.Client(headers=headers, timeout=settings.timeout, limits=limits)
        alive = self.ask("GET", "/models", lambda response: None, fine=_ALIVE)
        if isinstance(alive, RowError):
            raise self._unusable(alive.message)

    def map(self, work: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
        """What `work` gives for each item, in order, `concurrency` at once. The items of a later call begin when those
        of the earlier ones are all under way. What one of them raises is raised, and none of the rest is begun."""
        asked = [self._pool.submit(work, item) for item in items]
        try:
            return [answer.result() for answer in asked]
        finally:
            for answer in asked:
                answer.cancel()

    def ask(
        self,
        method: str,
        place: str,
        read: Callable[[httpx2.Response], Answer],
        fine: frozenset[int] = frozenset({200}),
        **request: Any,
    ) -> Answer | RowError:
        """What `read` makes of the answer, or a RowError when the tries are used up; `read` raises ValueError where the
        answer is of no use, which counts as a try. EngineError where no try can help. `request`: as httpx2 takes it."""
        for attempt in range(self.settings.retries + 1):
            last = attempt == self.settings.retries
            wait: float | None = None
            try:
                response = self._client.request(method, self.url + place, **request)
                if response.status_code in fine:
                    return read(response)
                trouble = self.shown(response)
                if response.status_code not in _BUSY:
                    return self._refused(response.status_code, trouble)
                wait = _asked_wait(response)
            except httpx2.TimeoutException:
                trouble = self._too_slow()
            except httpx2.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
                if last and isinstance(error, httpx2.ConnectError):
                    raise self._unusable(trouble) from None
            except NoAnswer as error:
                trouble = str(error)
            except ValueError:
                trouble = "an answer that is not JSON: " + self.clean(response.text[:_SHOWN])
            if not last:
                time.sleep(wait if wait is not None else self._backoff(attempt))
        return RowError(self.clean(f"{self.url}: given up after {self.settings.retries + 1} tries: {trouble}"))

    def error(self, text: str) -> EngineError:
        """The engine cannot work, for what `text` says of the server."""
        return EngineError(self.clean(f"{self.what}: {self.url} {text}"))

    def clean(self, text: str) -> str:
        """Servers echo keys; errors end up in records."""
        return text.replace(self._key, "***") if self._key else text

    def shown(self, response: httpx2.Response) -> str:
        """Status and beginning of an answer, for a reader."""
        return self.clean(f"HTTP {response.status_code}: {' '.join(response.text[:_SHOWN].split())}")

    def _too_slow(self) -> str:
        return (
            f"no answer within {self.settings.timeout:g} s; is the server too slow for {self.settings.concurrency} "
            "requests at once? Lower the engine's `concurrency`, or raise its `timeout`"
        )

    def _backoff(self, attempt: int) -> float:
        """Seconds: doubles, up to a minute, and scattered so that retries do not come all at once."""
        return min(_LONGEST_WAIT, self.settings.backoff * 2.0**attempt) * random.uniform(0.5, 1.0)

    def _refused(self, status: int, trouble: str) -> RowError:
        if status in (401, 403):
            raise self.error(
                f"refuses the key ({trouble}); name the environment variable that holds it with key_variable (now "
                f"{self.settings.key_variable!r}) and set it where the workers run"
            )
        if status == 404:
            raise self.error(
                f"has no model {self.settings.model!r} or no such address ({trouble}); `model` must be one of "
                f"{self.url}/models, and `url` end with the version part, as in /v1"
            )
        return RowError(self.clean(f"{self.url}: {trouble}"))

    def _unusable(self, trouble: str) -> EngineError:
        return EngineError(
            self.clean(
                f"{self.what}: no server at {self.url} ({trouble}); start one (e.g. {self._starts_with}) or correct "
                "`url`; it must be reachable from every worker"
            )
        )

    def _read_key(self, variable: str | None) -> str | None:
        if variable is None:
            return None
        key = os.environ.get(variable, "").strip()
        if not key:
            raise EngineError(
                f"{self.what}: key_variable names {variable}, which is not set here; set it in the environment of "
                "the workers (Ray: runtime_env.env_vars of the cluster, never of the profile)"
            )
        return key


class FirstAnswers:
    """Counts answers of no use until one was of use, for all threads together."""

    def __init__(self) -> None:
        self._useful: bool | None = None  # whether one ever was; None: nothing is known yet
        self._useless, self._counting = 0, threading.Lock()

    def useless(self, now: bool = True) -> int | None:
        """Counts one answer. How many were of no use, where none was of any, and they are enough to give up."""
        with self._counting:
            self._useful = self._useful or not now
            self._useless += now
            return self._useless if not self._useful and self._useless >= _HOPELESS else None


def _asked_wait(response: httpx2.Response) -> float | None:
    """`Retry-After` in seconds, or until the date that it names; None where it says neither."""
    asked = response.headers.get("retry-after", "")
    try:
        seconds = float(asked)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(asked).timestamp() - time.time()
        except ValueError:
            return None
    return min(_LONGEST_WAIT, max(0.0, seconds)) if math.isfinite(seconds) else None
