"""The marks of who listens: in a file of their own beside the index, which may be deleted without losing them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

_SCHEMA = """CREATE TABLE IF NOT EXISTS marks (id TEXT, round INTEGER, at TEXT DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id, round)) WITHOUT ROWID"""


def marks_file(index: Path) -> Path:
    """Where the marks of an index are: `NAME.marks.sqlite` beside it."""
    return index.with_name(f"{index.name.removesuffix('.sqlite')}.marks.sqlite")


class Marks:
    """Marked takes, by id and round."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with closing(self._connection()) as db, db:
            db.execute(_SCHEMA)

    def put(self, id_: str, round_: int, marked: bool) -> None:
        """Marks a take, or removes its mark."""
        with closing(self._connection()) as db, db:
            if marked:
                db.execute("INSERT OR IGNORE INTO marks (id, round) VALUES (?, ?)", (id_, round_))
            else:
                db.execute("DELETE FROM marks WHERE id = ? AND round = ?", (id_, round_))

    def of(self, takes: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those of the takes that are marked."""
        with closing(self._connection()) as db:
            found = (db.execute("SELECT id, round FROM marks WHERE id = ? AND round = ?", t).fetchone() for t in takes)
            return {(id_, round_) for id_, round_ in filter(None, found)}

    def _connection(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, timeout=30)
