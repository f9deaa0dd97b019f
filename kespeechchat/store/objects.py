"""Where bytes lie: a folder or an object store behind one small interface, with atomic create-if-absent.

Two implementations, because what makes a write durable differs: on a local disk the file is fsynced before it gets
its name and the folder after (obstore links without fsync, so a power cut could leave a named, empty record); an
object store's conditional put is durable when it is acknowledged.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

_STAGED = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
_ABANDONED = 3600.0  # seconds after which nobody is still writing a file


class AlreadyExists(Exception):
    """Someone else's object has this key."""


class StoreError(RuntimeError):
    """ROOT cannot be used. The message says what to do."""


class ObjectStore(Protocol):
    url: str

    def create(self, key: str, data: bytes) -> None:
        """Writes `key` in one atomic, durable step; raises AlreadyExists where it is taken."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Writes `key`, replacing what was there, in one atomic, durable step."""
        ...

    def get(self, key: str) -> bytes:
        """Raises FileNotFoundError."""
        ...

    def get_range(self, key: str, start: int, size: int) -> bytes:
        """`size` bytes of it from `start` on. Raises FileNotFoundError."""
        ...

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """(key, bytes) of everything under the folder `prefix`, sorted by key."""
        ...

    def delete(self, key: str) -> None:
        """Removes `key`; nothing happens where there is none."""
        ...

    def half_written(self) -> Iterator[tuple[str, int]]:
        """(key, bytes) of what writers that were killed left, which `list` never shows."""
        ...


def open_store(root: str) -> ObjectStore:
    """The store at `root`: a folder, or a URL such as s3://bucket/prefix."""
    if "://" not in root:
        return LocalFolder(root)
    from kespeechchat.store.remote import RemoteStore

    return RemoteStore(root)


def checked_key(key: str) -> str:
    """`key` itself, if it is a plain relative path; ids come from input files and must not escape ROOT."""
    parts = key.split("/")
    if not key or "\0" in key or any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts):
        raise ValueError(f"not a key of a store: {key[:200]!r}")
    return key


class LocalFolder:
    """A folder on a local disk."""

    def __init__(self, root: str) -> None:
        self.url = os.path.abspath(root)
        self._root = Path(self.url)
        if self._root.exists() and not self._root.is_dir():
            raise StoreError(f"{self.url}: is a file; ROOT must be a folder")

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _stage(self, path: Path, data: bytes) -> Path:
        """A synced temporary file beside `path`."""
        _make_folder(path.parent)
        staged = path.parent / f".{path.name[:200]}.{secrets.token_hex(6)}.tmp"
        try:
            with open(staged, "xb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
        except OSError:
            staged.unlink(missing_ok=True)
            raise
        return staged

    def create(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with _told(path, "written"):
            staged = self._stage(path, data)
            try:
                os.link(staged, path)
            except FileExistsError:
                raise AlreadyExists(key) from None
            finally:
                os.unlink(staged)
            _sync_folder(path.parent)

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with _told(path, "written"):
            os.replace(self._stage(path, data), path)
            _sync_folder(path.parent)

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with _told(path, "read"):
            return path.read_bytes()

    def get_range(self, key: str, start: int, size: int) -> bytes:
        with open(self._path(key), "rb") as file:
            file.seek(start)
            return file.read(size)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        base = self._path(prefix)
        if not base.is_dir():
            return
        with os.scandir(base) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if entry.is_dir():
                yield from self.list(f"{prefix}/{entry.name}")
            elif not entry.name.startswith("."):
                try:
                    size = entry.stat().st_size
                except FileNotFoundError:
                    continue  # removed since the folder was read: another build's journal
                yield f"{prefix}/{entry.name}", size

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _told(path, "removed"):
            path.unlink(missing_ok=True)

    def half_written(self) -> Iterator[tuple[str, int]]:
        for path in sorted(self._root.rglob(".*.tmp")):
            with contextlib.suppress(FileNotFoundError):  # its writer lives, and has just given it its name
                found = path.stat()
                if _STAGED.fullmatch(path.name) and time.time() - found.st_mtime > _ABANDONED:
                    yield path.relative_to(self._root).as_posix(), found.st_size


@contextlib.contextmanager
def _told(path: Path, act: str) -> Iterator[None]:
    """What the disk refuses, but for a file that is not there, as a StoreError that names it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be {act}: {error.strerror}; mend that (space, permissions) and run the same command "
            "again: it goes on from here"
        ) from None


def _make_folder(folder: Path) -> None:
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
