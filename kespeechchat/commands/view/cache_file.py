"""The file of the viewer's index: where it is, how it is known as one, and whose turn it is to change it."""

from __future__ import annotations

import fcntl
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kespeechchat.config.load import ConfigError
from kespeechchat.export.folder import NO_LOCKS
from kespeechchat.seeds import stable_hash

VERSION = 2  # of the tables: an index of another version is made anew
_KNOWN_BY = 0x6B657363  # SQLite's `application_id`: "kesc"
_GO_ON = (
    "name another file, or, if it is an index (a broken one, or one that earlier code made), delete it and run kesc "
    "view again"
)
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE shards (unit TEXT, shard INTEGER, mark TEXT NOT NULL, first INTEGER NOT NULL, takes INTEGER NOT NULL,
    PRIMARY KEY (unit, shard)) WITHOUT ROWID;
CREATE TABLE takes (n INTEGER PRIMARY KEY, shard INTEGER NOT NULL, round INTEGER NOT NULL, id TEXT NOT NULL,
    status TEXT NOT NULL, stage TEXT NOT NULL, reason TEXT, detail TEXT, language TEXT, split TEXT, level INTEGER,
    error_rate REAL, seconds REAL, user_voice TEXT, agent_voice TEXT, user_error REAL, agent_error REAL);
CREATE TABLE spoken (n INTEGER PRIMARY KEY, said TEXT NOT NULL);
CREATE VIRTUAL TABLE texts USING fts5 (said, content='spoken', content_rowid='n', tokenize='trigram', detail=none);
"""


def default_file(root: str, folder: Path) -> Path:
    """The index of the build at `root`, in the cache folder."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", root.rstrip("/").rsplit("/", 1)[-1]).strip("-") or "build"
    return folder / "view" / f"{name[:40]}-{stable_hash('view', root):016x}.sqlite"


def remove(file: Path) -> None:
    """Deletes an index with the files that SQLite keeps beside it. Raises ConfigError for a file that is none."""
    _version(file)
    for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
        file.with_name(name).unlink(missing_ok=True)


def opened(file: Path) -> sqlite3.Connection:
    """The index in `file`; where there is none, or one of another version, an empty one. Raises ConfigError for a file
    that is no index."""
    version = _version(file)
    if version not in (None, VERSION):
        remove(file)
    with named(file):
        db = sqlite3.connect(file, timeout=60)
        if version != VERSION:
            known = f"PRAGMA application_id = {_KNOWN_BY}; PRAGMA journal_mode = WAL;"
            db.executescript(known + _SCHEMA + f"PRAGMA user_version = {VERSION};")
        db.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last shards, never half of one
        db.execute("PRAGMA cache_size = -65536")  # 64 MB
        db.execute("PRAGMA wal_autocheckpoint = 16384")  # pages, 64 MB: what is written often is written once
    return db


@contextmanager
def alone(file: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Makes the folder of the index where it is missing, and waits until no other run changes the index. The lock is
    the system's, so it ends with the process; its file stays. `tell` hears what is waited for. Raises ConfigError for a
    file that is no index, and where there can be none."""
    _version(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.with_name(f"{file.name}.lock").open("w")
    except OSError as error:
        why = f"{error.filename} cannot be made: {error.strerror}"
        raise ConfigError(f"--index {file}: {why}; name another file") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"index: another kesc view is changing {file}; waiting until it is done")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            tell(f"index: the file system of {file} has no locks; see to it that no other kesc view changes it")
        yield


@contextmanager
def named(file: Path) -> Iterator[None]:
    """SQLite's errors as ConfigError that names the index."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"--index {file}: {error}; it is only a cache: delete it and run kesc view again") from None


def _version(file: Path) -> int | None:
    """Of the tables of the index in `file`; None where nothing is there yet. Raises ConfigError for another file."""
    if not file.exists() or not file.stat().st_size:
        return None
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as db:
            known, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"--index {file}: {error}; {_GO_ON}") from None
    if known != _KNOWN_BY:
        raise ConfigError(f"--index {file}: is not known as an index of kesc view; {_GO_ON}")
    return int(version)
