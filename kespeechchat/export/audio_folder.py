"""The folder `audio/` of an export that has files of its own for each dialogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kespeechchat.export.audio_files import Speech, fan_out_folder
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import ExportFolder
from kespeechchat.records import turn_names
from kespeechchat.rows import FinishedRow


@dataclass(frozen=True)
class AudioFolder:
    """Names the files, and writes those that no earlier run left. `fan_out`: into subfolders by a hash of the id."""

    folder: ExportFolder
    dialogues: Dialogues
    fan_out: bool

    def name(self, row: FinishedRow, ending: str) -> str:
        """The path below the export's folder: `audio/ID.flac`, or `audio/ab/ID.flac`, for the ending `.flac`."""
        return f"audio/{fan_out_folder(row['id'], self.fan_out)}{row['id']}{ending}"

    def write(self, row: FinishedRow, name: str, encode: Callable[[Speech], bytes]) -> None:
        """The file `name` with what `encode` makes of the dialogue's speech; nothing in an export without audio."""
        if self.dialogues.audio and not self.folder.has(name):
            self.folder.write(name, encode(self.dialogues.speech(row)))

    def users(self, row: FinishedRow) -> list[str]:
        """Writes all of the user's utterances as FLAC and gives their paths."""
        names = [name for name in turn_names(turn["role"] for turn in row["turns"]) if name.startswith("user")]
        paths = []
        for name in names:
            path = self.name(row, ".flac" if name == "user" else f".{name}.flac")
            self.write(row, path, lambda speech, name=name: speech[name])  # type: ignore[misc]
            paths.append(path)
        return paths

    def user(self, row: FinishedRow) -> str:
        """Writes the user's utterance as FLAC and gives its path."""
        name = self.name(row, ".flac")
        self.write(row, name, lambda speech: speech["user"])
        return name
