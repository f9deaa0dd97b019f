"""ROOT in a folder on a local disk.

It is written by hand rather than through obstore because of what makes a write durable. On a local disk the file is
fsynced before it gets its name, and the folder after; obstore links without fsync, so a power cut could leave a named,
empty record. An object store's conditional put is durable once it is acknowledged (`store.remote`).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from kespeechchat.store.interface import AlreadyExists, StoreError, checked_key

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
_ABANDONED = 3600.0  # seconds after which no living process is still writing a file


class LocalFolder:
    """The folder `root` as an ObjectStore; it need not exist yet. Raises StoreError where `root` is a file."""

    def __init__(self, root: str) -> None:
        self.url = os.path.abspath(root)
        self._root = Path(self.url)
        if self._root.exists() and not self._root.is_dir():
            raise StoreError(f"{self.url}: is a file; ROOT must be a folder")

    def create(self, key: str, data: bytes) -> None:
        """See ObjectStore. A hard link to a synced temporary file: it fails where the name is taken."""
        path = self._path(key)
        with _as_store_error(path, "written"):
            temporary = _write_temporary(path, data)
            try:
                os.link(temporary, path)
            except FileExistsError:
                raise AlreadyExists(key) from None
            finally:
                os.unlink(temporary)
            _sync_folder(path.parent)

    def put(self, key: str, data: bytes) -> None:
        """See ObjectStore. A synced temporary file that is renamed."""
        path = self._path(key)
        with _as_store_error(path, "written"):
            os.replace(_write_temporary(path, data), path)
            _sync_folder(path.parent)

    def get(self, key: str) -> bytes:
        """See ObjectStore."""
        path = self._path(key)
        with _as_store_error(path, "read"):
            return path.read_bytes()

    def get_range(self, key: str, start: int, size: int) -> bytes:
        """See ObjectStore."""
        path = self._path(key)
        with _as_store_error(path, "read"), open(path, "rb") as file:
            file.seek(start)
            return file.read(size)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """See ObjectStore."""
        folder = self._path(prefix)
        if not folder.is_dir():
            return
        with _as_store_error(folder, "read"), os.scandir(folder) as unsorted:
            entries = sorted(unsorted, key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir():
                yield from self.list(f"{prefix}/{entry.name}")
            elif not entry.name.startswith("."):
                try:
                    size = entry.stat().st_size
                except FileNotFoundError:
                    continue  # another build has removed its journal entry since the folder was read
                yield f"{prefix}/{entry.name}", size

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        path = self._path(key)
        with _as_store_error(path, "removed"):
            path.unlink(missing_ok=True)

    def half_written(self) -> Iterator[tuple[str, int]]:
        """See ObjectStore. Younger files than an hour are left out: their writers may still live."""
        for path in sorted(self._root.rglob(".*.tmp")):
            with contextlib.suppress(FileNotFoundError):  # its writer lives and has just renamed it
                status = path.stat()
                if _TEMPORARY.fullmatch(path.name) and time.time() - status.st_mtime > _ABANDONED:
                    yield path.relative_to(self._root).as_posix(), status.st_size

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)


def _write_temporary(path: Path, data: bytes) -> Path:
    """Writes `data` to a synced temporary file in the folder of `path`, and returns the file."""
    _make_folder(path.parent)
    temporary = path.parent / f".{path.name[:200]}.{secrets.token_hex(6)}.tmp"
    try:
        with open(temporary, "xb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


@contextlib.contextmanager
def _as_store_error(path: Path, act: str) -> Iterator[None]:
    """Turns an OSError into a StoreError that names the file; FileNotFoundError passes as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be {act}: {error.strerror}; fix that (space, permissions) and run the same command "
            "again to resume"
        ) from None


def _make_folder(folder: Path) -> None:
    """Makes the folder and its parents, each synced into its own parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
