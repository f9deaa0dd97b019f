"""ROOT in an object store (s3://, gs://, az://), through obstore.

Credentials come from the environment only. The commit protocol needs create-if-absent: a store that answers a
conditional put by overwriting would lose shards in silence, so it is tried once per process, and refused.

A store that fails (5xx, cut connections) or hangs is asked again, with growing pauses, for as long as one's patience
lasts: 20 s where it has not answered this process yet, for then a wrong endpoint is likelier than an outage; else
3 minutes, or the seconds that KESC_STORE_PATIENCE gives. What the client does not repeat by itself, because it may have
been done (a conditional put, a delete), is repeated here: done twice, both end as done once.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from kespeechchat.store.interface import AlreadyExists, StoreError, checked_key

_PROBE = "plan/.conditional-put-probe"
_FIRST, _PATIENCE = 20.0, 180.0  # seconds; S3 asks that one signed request be repeated for less than 5 minutes
_STALLED = 30.0  # seconds without a byte of the answer after which a request is given up and made again
_reached: set[str] = set()  # stores that have answered this process
_conditional: set[str] = set()  # stores that have refused this process a second create


class RemoteStore:
    """`url` is SCHEME://BUCKET/PREFIX. An endpoint other than the cloud's own comes from AWS_ENDPOINT_URL."""

    def __init__(self, url: str) -> None:
        import obstore
        from obstore.store import from_url

        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        if parts.username or parts.password:
            raise StoreError(f"{parts.scheme}://…@{parts.hostname}: credentials belong in the environment, not in ROOT")
        self._obstore = obstore
        config: dict[str, Any] = {}
        client: dict[str, Any] = {}
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if parts.scheme == "s3" and endpoint:
            config = {"endpoint": endpoint, "virtual_hosted_style_request": False}
            client = {"allow_http": endpoint.startswith("http://")}

        def opened(patience: float) -> Any:
            return from_url(self.url, config=config, client_options=client | _limits(patience), **_retries(patience))

        self._patience = _patience()
        try:
            self._first, self._later = opened(min(_FIRST, self._patience)), opened(self._patience)
        except Exception as error:  # obstore's own errors name neither the cure nor the URL
            raise StoreError(f"{self.url}: cannot be opened as an object store: {error}") from None

    @property
    def _store(self) -> Any:
        return self._later if self.url in _reached else self._first

    def __reduce__(self) -> tuple:
        """Another process opens it anew, with its own environment's credentials."""
        return RemoteStore, (self.url,)

    def create(self, key: str, data: bytes) -> None:
        self._require_conditional_put()
        self._create(key, data)

    def _create(self, key: str, data: bytes) -> None:
        """A put that did arrive though its answer did not "exists already"; `commit` looks whose it is."""
        from obstore.exceptions import AlreadyExistsError

        def create() -> None:
            try:
                self._obstore.put(self._store, checked_key(key), data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                raise AlreadyExists(key) from None

        with self._told(key):
            self._answered(create)

    def _answered(self, ask: Callable[[], object]) -> None:
        """Asks until there is an answer, be it an error, or patience ends."""
        from obstore.exceptions import GenericError

        end = time.monotonic() + (self._patience if self.url in _reached else min(_FIRST, self._patience))
        while True:
            try:
                ask()
                return
            except GenericError as error:
                if time.monotonic() >= end or "status code: 4" in str(error):
                    raise
            time.sleep(0.5)

    def put(self, key: str, data: bytes) -> None:
        with self._told(key):
            self._obstore.put(self._store, checked_key(key), data)

    def get(self, key: str) -> bytes:
        with self._told(key):
            return bytes(self._obstore.get(self._store, checked_key(key)).bytes())

    def get_range(self, key: str, start: int, size: int) -> bytes:
        with self._told(key):
            return bytes(self._obstore.get_range(self._store, checked_key(key), start=start, length=size))

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        with self._told(prefix):
            entries = [
                (entry["path"], entry["size"])
                for batch in self._obstore.list(self._store, prefix=checked_key(prefix) + "/", chunk_size=1000)
                for entry in batch
            ]
        yield from sorted(entries)

    def half_written(self) -> Iterator[tuple[str, int]]:
        return iter(())  # uploads that were broken off are the bucket's to abort: it needs a rule for that

    def delete(self, key: str) -> None:
        with contextlib.suppress(FileNotFoundError), self._told(key):
            self._answered(lambda: self._obstore.delete(self._store, checked_key(key)))

    @contextlib.contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Errors of the client as FileNotFoundError or as a StoreError that names the object."""
        from obstore.exceptions import BaseError, NotFoundError

        try:
            yield
            _reached.add(self.url)
        except AlreadyExists:
            _reached.add(self.url)
            raise
        except (FileNotFoundError, BaseError) as error:
            if "NoSuchBucket" in str(error):
                raise StoreError(f"{self.url}: there is no such bucket; make it, or mend ROOT") from None
            if isinstance(error, (FileNotFoundError, NotFoundError)):
                _reached.add(self.url)
                raise FileNotFoundError(f"{self.url}/{key}") from None
            line = " ".join(str(error).split("Debug source")[0].split())
            raise StoreError(
                f"{self.url}/{key}: {line}; check the endpoint and the credentials in the environment "
                "(AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), then run the same command again: it "
                "goes on from here"
            ) from None

    def _require_conditional_put(self) -> None:
        """Creates one object twice; the second time must be refused."""
        if self.url in _conditional:
            return
        self.put(_PROBE, b"first")
        try:
            self._create(_PROBE, b"second")
        except AlreadyExists:
            _conditional.add(self.url)
            return
        raise StoreError(
            f"{self.url}: this store overwrites where a put was told to create only: builds on it could lose shards. "
            "Use a store with conditional puts (If-None-Match), or a folder"
        )


def _patience() -> float:
    given = os.environ.get("KESC_STORE_PATIENCE", str(_PATIENCE))
    try:
        if 0 < float(given) < float("inf"):
            return float(given)
    except ValueError:
        pass
    raise StoreError(f"KESC_STORE_PATIENCE={given}: give seconds, e.g. {_PATIENCE:.0f}")


def _limits(patience: float) -> dict[str, timedelta]:
    """A request may take as long as it makes progress: large shards, slow links. One that stalls is made again."""
    stalled = min(_STALLED, patience / 3)
    return {
        "connect_timeout": timedelta(seconds=min(5.0, stalled)),
        "read_timeout": timedelta(seconds=stalled),
        "timeout": timedelta(seconds=max(patience, _PATIENCE)),
    }


def _retries(patience: float) -> dict[str, Any]:
    backoff = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=min(15.0, patience / 8))}
    return {"retry_config": {"max_retries": 1000, "retry_timeout": timedelta(seconds=patience), "backoff": backoff}}
