"""What is known of the scene of each turn: a database in the export's folder, so that an export that was killed knows
of the files that it kept. Facts are written before the file that they are about.

A turn's facts depend on its audio alone, and whether it was written depends on the export. So a run that breaks off
before it claims the folder (`begin`) costs nothing of what is known of the files that are there.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TypedDict, cast

from kespeechchat.export.folder import JOURNAL
from kespeechchat.scenes.rendering import SceneFacts

_VERSION = 2  # of the tables; those of another are dropped
_FRESH = """
DROP TABLE IF EXISTS note; CREATE TABLE note (audio TEXT, text TEXT);
DROP TABLE IF EXISTS turns;
CREATE TABLE turns (audio TEXT, id TEXT, name TEXT, facts TEXT, written INT, PRIMARY KEY (audio, id, name));
"""


class TurnScene(TypedDict):
    """A turn's scene, and the score of its watermark afterwards (None: it was too short to be searched)."""

    scene: SceneFacts
    watermark_score: float | None


class SceneJournal:
    """`audio`: all that the audio depends on; turns of other audio are forgotten when files of this are begun, and at
    once where it is empty."""

    def __init__(self, folder: Path, audio: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._audio = audio
        self._db = sqlite3.connect(folder / JOURNAL, isolation_level=None)
        self._db.execute("PRAGMA synchronous=OFF")  # as the files themselves: a crash of the machine may cost some
        self._db.execute("PRAGMA journal_mode=WAL")
        if self._db.execute("PRAGMA user_version").fetchone() != (_VERSION,) or not audio:
            self._db.executescript(_FRESH)
            self._db.execute(f"PRAGMA user_version={_VERSION}")

    def knows(self, note: str) -> bool:
        """Whether the files that are written are those of this audio and this note of the export's folder."""
        found: tuple[str, str] | None = self._db.execute("SELECT audio, text FROM note").fetchone()
        return found == (self._audio, note)

    def begin(self, note: str) -> None:
        """Files are written under this note of the folder from now on, and none is there yet."""
        with self._db:  # one transaction
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM turns WHERE audio != ?", (self._audio,))
            self._db.execute("UPDATE turns SET written = 0")
            self._db.execute("DELETE FROM note")
            self._db.execute("INSERT INTO note VALUES (?, ?)", (self._audio, note))

    def add(self, dialogue_id: str, name: str, turn: TurnScene, written: bool) -> None:
        """A turn that was searched for its mark, by its name (`records.turn_names`). `written`: its file can now be
        written."""
        values = (self._audio, dialogue_id, name, json.dumps(turn), int(written))
        self._db.execute("INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?)", values)

    def turn(self, dialogue_id: str, name: str) -> TurnScene | None:
        """What is known of a turn, written or not."""
        of = "SELECT facts FROM turns WHERE audio = ? AND id = ? AND name = ?"
        found = self._db.execute(of, (self._audio, dialogue_id, name)).fetchone()
        return None if found is None else cast(TurnScene, json.loads(found[0]))

    def written(self, dialogue_id: str) -> dict[str, TurnScene]:
        """By name, of the turns that were written."""
        of = "SELECT name, facts FROM turns WHERE audio = ? AND id = ? AND written ORDER BY name DESC"
        return {name: json.loads(facts) for name, facts in self._db.execute(of, (self._audio, dialogue_id))}

    def close(self) -> None:
        """Ends the connection, and leaves one file."""
        self._db.execute("PRAGMA journal_mode=DELETE")
        self._db.close()
