"""ROOT in an object store (s3://, gs://, az://), through obstore.

Credentials come from the environment only. The commit protocol needs create-if-absent: a store that answers a
conditional put by overwriting would lose shards in silence, so it is tried once per process, and refused.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from kespeechchat.store.objects import AlreadyExists, StoreError, checked_key

_PROBE = "plan/.conditional-put-probe"
_TRIES = 4  # of a conditional put whose answer did not arrive, on top of the client's own


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
        options: dict[str, object] = {}
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if parts.scheme == "s3" and endpoint:
            options["config"] = {"endpoint": endpoint, "virtual_hosted_style_request": False}
            options["client_options"] = {"allow_http": endpoint.startswith("http://")}
        try:
            self._store = from_url(self.url, **options)  # type: ignore[arg-type]
        except Exception as error:  # obstore's own errors name neither the cure nor the URL
            raise StoreError(f"{self.url}: cannot be opened as an object store: {error}") from None
        self._checked = False

    def create(self, key: str, data: bytes) -> None:
        self._require_conditional_put()
        self._create(key, data)

    def _create(self, key: str, data: bytes) -> None:
        """Asks again where no answer came; a put that did arrive then "exists already", and `commit` looks whose."""
        from obstore.exceptions import AlreadyExistsError, GenericError

        for last in [False] * (_TRIES - 1) + [True]:
            with self._told(key):
                try:
                    self._obstore.put(self._store, checked_key(key), data, mode="create", use_multipart=False)
                    return
                except AlreadyExistsError:
                    raise AlreadyExists(key) from None
                except GenericError:
                    if last:
                        raise
            time.sleep(0.5)

    def put(self, key: str, data: bytes) -> None:
        with self._told(key):
            self._obstore.put(self._store, checked_key(key), data)

    def get(self, key: str) -> bytes:
        with self._told(key):
            return bytes(self._obstore.get(self._store, checked_key(key)).bytes())

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        with self._told(prefix):
            entries = [
                (entry["path"], entry["size"])
                for batch in self._obstore.list(self._store, prefix=checked_key(prefix) + "/", chunk_size=1000)
                for entry in batch
            ]
        yield from sorted(entries)

    def delete(self, key: str) -> None:
        with contextlib.suppress(FileNotFoundError), self._told(key):
            self._obstore.delete(self._store, checked_key(key))

    @contextlib.contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Errors of the client as FileNotFoundError or as a StoreError that names the object."""
        from obstore.exceptions import BaseError, NotFoundError

        try:
            yield
        except (FileNotFoundError, NotFoundError):
            raise FileNotFoundError(f"{self.url}/{key}") from None
        except BaseError as error:
            line = " ".join(str(error).split("Debug source")[0].split())
            raise StoreError(
                f"{self.url}/{key}: {line}; check the endpoint and the credentials in the environment "
                "(AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), then run the same command again"
            ) from None

    def _require_conditional_put(self) -> None:
        """Creates one object twice; the second time must be refused."""
        if self._checked:
            return
        self.put(_PROBE, b"first")
        try:
            self._create(_PROBE, b"second")
        except AlreadyExists:
            self._checked = True
            return
        raise StoreError(
            f"{self.url}: this store overwrites where a put was told to create only: builds on it could lose shards. "
            "Use a store with conditional puts (If-None-Match), or a folder"
        )
