"""What is known of the scene of each turn: a database in the export's folder, so that an export that was killed knows
of the files that it kept. Facts are written before the file that they are about."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict, cast

from kespeechchat.export.folder import JOURNAL
from kespeechchat.scenes.rendering import SceneFacts


class TurnScene(TypedDict):
    """A turn's scene, and the score of its watermark afterwards (None: it was too short to be searched)."""

    scene: SceneFacts
    watermark_score: float | None


class SceneJournal:
    """`note`: all that the audio depends on; what an earlier run noted under another is forgotten."""

    def __init__(self, folder: Path, note: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / JOURNAL, isolation_level=None)
        self._db.execute("PRAGMA synchronous=OFF")  # as the files themselves: a crash of the machine may cost some
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS note (text TEXT)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS turns (id TEXT, name TEXT, facts TEXT, written INT, PRIMARY KEY (id, name))"
        )
        if self._db.execute("SELECT text FROM note").fetchone() != (note,):
            self._db.executescript("DELETE FROM note; DELETE FROM turns")
            self._db.execute("INSERT INTO note VALUES (?)", (note,))

    def add(self, dialogue_id: str, name: str, turn: TurnScene, written: bool) -> None:
        """A turn that was searched for its mark, by its name (`records.turn_names`). `written`: its file can now be
        written."""
        values = (dialogue_id, name, json.dumps(turn), int(written))
        self._db.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?)", values)

    def turn(self, dialogue_id: str, name: str) -> TurnScene | None:
        """What is known of a turn, written or not."""
        found = self._db.execute("SELECT facts FROM turns WHERE id = ? AND name = ?", (dialogue_id, name)).fetchone()
        return None if found is None else cast(TurnScene, json.loads(found[0]))

    def written(self, dialogue_id: str) -> dict[str, TurnScene]:
        """By name, of the turns that were written."""
        of = "SELECT name, facts FROM turns WHERE id = ? AND written ORDER BY name DESC"
        return {name: json.loads(facts) for name, facts in self._db.execute(of, (dialogue_id,))}

    def all_written(self) -> Iterator[TurnScene]:
        """Every turn that was written, in no order."""
        for (facts,) in self._db.execute("SELECT facts FROM turns WHERE written"):
            yield json.loads(facts)

    def close(self) -> None:
        """Ends the connection, and leaves one file."""
        self._db.execute("PRAGMA journal_mode=DELETE")
        self._db.close()
