"""A server with OpenAI's HTTP interface, asked over many connections at once: what its engines have in common.

A busy or broken answer (429, 5xx, a time-out, a lost connection, an answer that is not what was asked for) is asked
again after a wait that doubles, or that the server names itself (`Retry-After`). What the server refuses for one
request alone is that request's RowError; a refused key, an unknown model, or a server that is gone or has given no row
an answer for a while, stops the build, with what to do about it.
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
from kespeechchat.display import counted
from kespeechchat.engines import EngineError
from kespeechchat.records import RowError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_HEADERS = ("content-type", "retry-after")  # of an answer, that somebody reads
_ALIVE = frozenset({200, 404, 405})  # a server without a list of models may still do its work
_LONGEST_WAIT = 60.0  # s, between two tries
_SHOWN = 300  # characters of a server's answer in an error
_MOST = 1 << 28  # bytes of an answer: an hour of speech, and a stop for a stream that never ends
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
        self._given_up, self._counting = 0, threading.Lock()  # requests in a row without an answer, of all threads
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
        answer is of no use, which counts as a try. EngineError where no try can help, or where as many requests in a
        row as go at once were given up. `request`: as httpx2 takes it."""
        for attempt in range(self.settings.retries + 1):
            last = attempt == self.settings.retries
            wait = self._backoff(attempt)
            asked = self._client.build_request(method, self.url + place, **request)
            try:
                response = self._answer(asked)
                if response.status_code in fine:
                    found = self._useful(response, read)
                    self._count(given_up=False)
                    return found
                trouble = self.shown(response)
                if response.status_code not in _BUSY:
                    self._count(given_up=False)
                    return self._refused(response.status_code, trouble)
                if (named := _asked_wait(response)) is not None:
                    wait = max(named, self._backoff(0))
            except httpx2.TimeoutException:
                trouble = self._too_slow()
            except httpx2.RequestError as error:
                trouble = f"{type(error).__name__}: {error}"
                if last and isinstance(error, httpx2.ConnectError):
                    raise self._unusable(trouble) from None
            except NoAnswer as error:
                trouble = str(error)
            if not last:
                time.sleep(wait)
        trouble = f"given up after {counted(self.settings.retries + 1, 'try', 'tries')}: {trouble}"
        if (count := self._count(given_up=True)) >= max(_HOPELESS, self.settings.concurrency):
            raise self.error(
                f"gives nothing of use any more: its last {count} requests were given up, the last one: {trouble}; see "
                "to the server and its log, then build again"
            )
        return RowError(self.clean(f"{self.url}: {trouble}"))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        """The whole answer, or an error where it is not there within `timeout`, however steadily it trickles in."""
        until, parts, size = time.monotonic() + self.settings.timeout, [], 0
        response = self._client.send(request, stream=True)
        try:
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > _MOST:
                    raise NoAnswer(f"an answer of more than {_MOST >> 20} MiB")
                if time.monotonic() > until:
                    raise NoAnswer(self._too_slow())
        finally:
            response.close()
        kept = {name: response.headers[name] for name in _HEADERS if name in response.headers}
        return httpx2.Response(response.status_code, headers=kept, content=b"".join(parts))

    def _useful(self, response: httpx2.Response, read: Callable[[httpx2.Response], Answer]) -> Answer:
        """What `read` makes of it. Raises NoAnswer, which shows nothing of an answer that repeats the key."""
        try:
            return read(response)
        except ValueError as error:
            if self._key and self._key.encode() in response.content:
                raise NoAnswer("an answer of no use, not shown because it repeats the key") from None
            if isinstance(error, NoAnswer):
                raise
            raise NoAnswer(f"an answer that is not JSON: {response.text[:_SHOWN]}") from None

    def _count(self, given_up: bool) -> int:
        """Requests in a row that were given up, this one included."""
        with self._counting:
            self._given_up = self._given_up + 1 if given_up else 0
            return self._given_up

    def error(self, text: str) -> EngineError:
        """The engine cannot work, for what `text` says of the server."""
        return EngineError(self.clean(f"{self.what}: {self.url} {text}"))

    def clean(self, text: str, most: int | None = None) -> str:
        """Servers echo keys; errors end up in records. `most`: characters kept, cut last: half a key is no key to
        replace."""
        return (text.replace(self._key, "***") if self._key else text)[:most]

    def shown(self, response: httpx2.Response) -> str:
        """Status and beginning of an answer, for a reader."""
        return f"HTTP {response.status_code}: {' '.join(self.clean(response.text, _SHOWN).split())}"

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
        if not (key.isascii() and key.isprintable()):
            raise EngineError(
                f"{self.what}: {variable} holds characters that no HTTP header carries (a line break, a letter beyond "
                "ASCII); set it to the key alone"
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
