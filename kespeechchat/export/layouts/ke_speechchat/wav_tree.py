"""The folder `audio/` of the paper's layout: one 16-bit WAV a turn, resumable and free of leftovers.

A WAV of the right size is whole, because it appears by rename. That it is the right one, the export's note says
(`shard_notes`), shard by shard; so whatever was killed when, a file that a later run finds and keeps is its own. Speech
in a scene is noted as a whole: before another content is written, the old files go.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kespeechchat.dataset.backchannels import Backchannel
from kespeechchat.dataset.metadata import audio_name
from kespeechchat.dataset.places import Place
from kespeechchat.dataset.text_keys import Hashes
from kespeechchat.export.audio_files import Speech, fan_out_folder, fan_out_folders, heard, turn_samples, wav_of
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import claim, settle
from kespeechchat.export.selection import NOTHING, holds
from kespeechchat.export.shard_notes import ShardNotes
from kespeechchat.records import turn_names
from kespeechchat.rows import FinishedRow
from kespeechchat.seeds import stable_hash
from kespeechchat.whole_file import part_of

_OURS = re.compile(r"(?:[0-9a-f]{2}/)?(?P<id>[^/]+)/(?P=id)_(?:back)?\d+_mark\.wav(?P<part>\.part)?")
FOLDER = "audio"  # below the export's
_HEADER = 44  # bytes of a WAV file before its samples


@dataclass
class WavTree:
    """`to/audio` for an export of `layout`, with folders that fan out by a hash of the id where there are many."""

    to: Path
    layout: str
    fan_out: bool
    written: int = 0
    kept: int = 0
    removed: int = 0
    foreign: list[str] = field(default_factory=list)  # files that no export made: left alone
    _trusted: bool = False  # all that is there
    _shards: ShardNotes | None = None  # which of it

    @property
    def root(self) -> Path:
        """The folder of all audio."""
        return self.to / FOLDER

    def folder(self, dialogue_id: str) -> str:
        """What precedes an audio path: `ab/` or nothing."""
        return fan_out_folder(dialogue_id, self.fan_out)

    def folders(self, dialogue_ids: Sequence[str]) -> list[str]:
        """`folder` of each."""
        return fan_out_folders(dialogue_ids, self.fan_out)

    def prepare(self, dialogues: Dialogues) -> None:
        """Makes the folder fit for the dialogues. Audio that an earlier export wrote is kept if it belongs to them. In
        a scene, or where none is to be written, audio of another content is removed, for what is said of it would be
        wrong.

        Raises ExportError where it holds files and no export's note, or an export of another layout.
        """
        facts = {"layout": self.layout, "fan_out": self.fan_out}
        if dialogues.shards and not dialogues.in_scene:
            self._shards = ShardNotes(self.to, {**facts, "audio": dialogues.drawn}, dialogues.shards)
            self._shards.begin(dialogues)
            if not dialogues.audio and not self._shards.whole:
                self.finish(self._sound_keys(self._shards, dialogues))
        else:
            note = json.dumps({**facts, "audio": dialogues.content})
            self._trusted = claim(self.to, self.layout, note, dialogues)
            if not self._trusted:
                self.sweep(NOTHING)
                settle(self.to, note, dialogues)
        if dialogues.audio:
            self.root.mkdir(exist_ok=True)
        elif self.removed and not os.listdir(self.root):
            self.root.rmdir()

    @staticmethod
    def _sound_keys(shards: ShardNotes, dialogues: Dialogues) -> Hashes:
        """Sorted hashes of the ids whose files are right."""
        parts = dialogues.selection.rows.parts()
        found = [stable_hash(row["id"]) for part in parts for row in part.rows(()) if shards.has(row)]
        return np.sort(np.array(found, np.uint64))

    def has(self, row: FinishedRow, places: Sequence[Place], said: Sequence[Backchannel] = ()) -> bool:
        """Whether all WAV files of a dialogue are there already; counts them. Asked in the order of the rows."""
        files = [*self._files(row, places), *self._words(row, said)]
        if self._shards:
            self._shards.reach(row)
        trusted = self._trusted if self._shards is None else self._shards.has(row)
        if not trusted or any(_size(path) != size for path, size in files):
            return False
        self.kept += len(files)
        return True

    def write(
        self, row: FinishedRow, places: Sequence[Place], speech: Speech, said: Sequence[Backchannel] = ()
    ) -> None:
        """Writes what is heard of a dialogue's turns, and its backchannels; `speech` fits its row. They are not flushed
        to the disk one by one: what a crash of the machine cuts short has another size, and is written again."""
        names = turn_names(turn["role"] for turn in row["turns"])
        parts = zip(names, row["turns"], places, self._files(row, places), strict=True)
        for name, turn, place, (path, _) in parts:
            self._write(path, heard(turn_samples(speech, name), place), turn["sample_rate"])
        for one, (path, _) in zip(said, self._words(row, said), strict=True):
            self._write(path, turn_samples(speech, one.name), row["turns"][0]["sample_rate"])

    def _write(self, path: Path, samples: npt.NDArray[np.int16], rate: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_of(path)
        part.write_bytes(wav_of(samples, rate))
        part.replace(path)
        self.written += 1

    def finish(self, keys: Hashes) -> None:
        """All dialogues are written, the sorted hashes of whose ids are `keys`; what is of no dialogue goes."""
        self.sweep(keys)
        if self._shards:
            self._shards.finish()

    def sweep(self, keys: Hashes) -> None:
        """Removes files that belong to no dialogue in `keys` (sorted hashes of ids); lists those not ours."""
        self.foreign = []
        for folder, _, files in os.walk(self.root, topdown=False):
            for name in files:
                path = Path(folder) / name
                match = _OURS.fullmatch(path.relative_to(self.root).as_posix())
                if match is None:
                    self.foreign.append(path.relative_to(self.to).as_posix())
                elif match["part"] or not self._wanted(path, match["id"], keys):
                    path.unlink()
                    self.removed += 1
            if Path(folder) != self.root and not os.listdir(folder):
                Path(folder).rmdir()
        self.foreign.sort()

    def example(self) -> Path | None:
        """The first file, for somebody who wants to listen."""
        return next(iter(sorted(self.root.rglob("*_mark.wav"))), None)

    def _wanted(self, path: Path, dialogue_id: str, keys: Hashes) -> bool:
        there = holds(keys, stable_hash(dialogue_id))
        return there and path.parent == self.root / (self.folder(dialogue_id) + dialogue_id)

    def _files(self, row: FinishedRow, places: Sequence[Place]) -> list[tuple[Path, int]]:
        """(file, bytes) of each turn."""
        base = self.folder(row["id"])
        return [
            (self.root / (base + audio_name(row["id"], index)), _HEADER + 2 * place.samples)
            for index, place in enumerate(places)
        ]

    def _words(self, row: FinishedRow, said: Sequence[Backchannel]) -> list[tuple[Path, int]]:
        """(file, bytes) of each backchannel."""
        base = self.folder(row["id"])
        return [(self.root / (base + audio_name(row["id"], one.name)), _HEADER + 2 * one.samples) for one in said]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
