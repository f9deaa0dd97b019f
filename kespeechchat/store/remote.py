"""ROOT in an object store (s3://, gs://, az://), through obstore.

Credentials come from the environment only. The commit protocol needs create-if-absent: a store that answers a
conditional put by overwriting would lose shards in silence, so every process tries it once and refuses such a store.

A request that fails (5xx, cut connections) or hangs is repeated with growing pauses until patience ends. Patience is
20 s for a store that has not answered this process yet, because then a wrong endpoint is likelier than an outage; later
it is 3 minutes, or the seconds in KESC_STORE_PATIENCE. obstore does not repeat by itself what may already have been
done (a conditional put, a delete); that is repeated here, because doing either twice has the effect of doing it once.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kespeechchat.store.interface import AlreadyExists, StoreError, checked_key

if TYPE_CHECKING:
    from obstore.store import BackoffConfig, ClientConfig, RetryConfig, S3Config
    from obstore.store import ObjectStore as ObstoreStore

_PROBE = "plan/.conditional-put-probe"
_FIRST, _PATIENCE = 20.0, 180.0  # seconds; S3 asks that one signed request be repeated for less than 5 minutes
_STALLED = 30.0  # seconds without a byte of the answer after which a request is repeated
_reached: set[str] = set()  # stores that have answered this process
_conditional: set[str] = set()  # stores that have refused to create an object twice for this process


class RemoteStore:
    """The bucket and prefix `url`, as SCHEME://BUCKET/PREFIX, as an ObjectStore.

    An endpoint other than the cloud's own comes from AWS_ENDPOINT_URL. Raises StoreError where `url` holds credentials
    or obstore cannot open it.
    """

    def __init__(self, url: str) -> None:
        import obstore
        from obstore.store import from_url

        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        if parts.username or parts.password:
            raise StoreError(f"{parts.scheme}://…@{parts.hostname}: credentials belong in the environment, not in ROOT")
        self._obstore = obstore
        config: S3Config = {}
        plain_http: ClientConfig = {}
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if parts.scheme == "s3" and endpoint:
            config = {"endpoint": endpoint, "virtual_hosted_style_request": False}
            plain_http = {"allow_http": endpoint.startswith("http://")}

        def opened(patience: float) -> ObstoreStore:
            client: ClientConfig = {**plain_http, **_limits(patience)}
            return from_url(self.url, config=config, client_options=client, retry_config=_retries(patience))

        self._patience = _patience()
        try:
            self._first, self._later = opened(min(_FIRST, self._patience)), opened(self._patience)
        except Exception as error:  # obstore's own errors name neither the URL nor what to do
            raise StoreError(f"{self.url}: cannot be opened as an object store: {error}") from None

    @property
    def _store(self) -> ObstoreStore:
        return self._later if self.url in _reached else self._first

    def __reduce__(self) -> tuple[type[RemoteStore], tuple[str]]:
        """Pickled as its URL alone: another process opens it anew, with the credentials of its own environment."""
        return RemoteStore, (self.url,)

    def create(self, key: str, data: bytes) -> None:
        """See ObjectStore. A conditional put (If-None-Match).

        Raises AlreadyExists also for an object of its own making: when the answer to the first put was lost, the put is
        repeated and finds its own object. `store.commit.commit` tells the two cases apart.
        """
        self._require_conditional_put()
        self._create(key, data)

    def _create(self, key: str, data: bytes) -> None:
        from obstore.exceptions import AlreadyExistsError

        def create() -> None:
            try:
                self._obstore.put(self._store, checked_key(key), data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                raise AlreadyExists(key) from None

        with self._named_errors(key):
            self._repeat(create)

    def _repeat(self, request: Callable[[], object]) -> None:
        """Repeats `request` until the store answers it, with an error or not, or until patience ends."""
        from obstore.exceptions import GenericError

        end = time.monotonic() + (self._patience if self.url in _reached else min(_FIRST, self._patience))
        while True:
            try:
                request()
                return
            except GenericError as error:
                if time.monotonic() >= end or "status code: 4" in str(error):
                    raise
            time.sleep(0.5)

    def put(self, key: str, data: bytes) -> None:
        """See ObjectStore."""
        with self._named_errors(key):
            self._obstore.put(self._store, checked_key(key), data)

    def get(self, key: str) -> bytes:
        """See ObjectStore."""
        with self._named_errors(key):
            return bytes(self._obstore.get(self._store, checked_key(key)).bytes())

    def get_range(self, key: str, start: int, size: int) -> bytes:
        """See ObjectStore."""
        with self._named_errors(key):
            return bytes(self._obstore.get_range(self._store, checked_key(key), start=start, length=size))

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """See ObjectStore."""
        with self._named_errors(prefix):
            entries = [
                (entry["path"], entry["size"])
                for batch in self._obstore.list(self._store, prefix=checked_key(prefix) + "/", chunk_size=1000)
                for entry in batch
            ]
        yield from sorted(entries)

    def half_written(self) -> Iterator[tuple[str, int]]:
        """Nothing: the bucket must have a rule that aborts interrupted uploads; they cannot be listed here."""
        return iter(())

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        with contextlib.suppress(FileNotFoundError), self._named_errors(key):
            self._repeat(lambda: self._obstore.delete(self._store, checked_key(key)))

    @contextlib.contextmanager
    def _named_errors(self, key: str) -> Iterator[None]:
        """Turns the client's errors into FileNotFoundError or a StoreError, both of which name the object."""
        from obstore.exceptions import BaseError, NotFoundError

        try:
            yield
            _reached.add(self.url)
        except AlreadyExists:
            _reached.add(self.url)
            raise
        except (FileNotFoundError, BaseError) as error:
            if "NoSuchBucket" in str(error):
                raise StoreError(f"{self.url}: there is no such bucket; create it, or correct ROOT") from None
            if isinstance(error, (FileNotFoundError, NotFoundError)):
                _reached.add(self.url)
                raise FileNotFoundError(f"{self.url}/{key}") from None
            line = " ".join(str(error).split("Debug source")[0].split())
            raise StoreError(
                f"{self.url}/{key}: {line}; check the endpoint and the credentials in the environment "
                "(AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), then run the same command again "
                "to resume"
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
            f"{self.url}: this store overwrites an object that a put may only create: builds on it could lose shards. "
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


def _limits(patience: float) -> ClientConfig:
    """A request may take as long as it makes progress (large shards, slow links). One that stalls is repeated."""
    stalled = min(_STALLED, patience / 3)
    return {
        "connect_timeout": timedelta(seconds=min(5.0, stalled)),
        "read_timeout": timedelta(seconds=stalled),
        "timeout": timedelta(seconds=max(patience, _PATIENCE)),
    }


def _retries(patience: float) -> RetryConfig:
    longest = timedelta(seconds=min(15.0, patience / 8))
    backoff: BackoffConfig = {"init_backoff": timedelta(milliseconds=100), "max_backoff": longest}
    return {"max_retries": 1000, "retry_timeout": timedelta(seconds=patience), "backoff": backoff}
