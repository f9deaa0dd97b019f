"""WebDataset shards: `SPLIT-NNNNNN.tar` with KEY.user.flac, KEY.agent.flac and KEY.json for each dialogue.

    webdataset.WebDataset("FOLDER/train-{000000..000012}.tar")

A WebDataset key ends at its first dot, so an id with dots has a key of its own; KEY.json has the id itself.
`shards.json` lists each split's files with their dialogues.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.audio_files import Speech
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder, write_shards
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.tar import PlainTar
from kespeechchat.rows import FinishedRow
from kespeechchat.seeds import stable_hash
from kespeechchat.whole_file import write_json


@dataclass(frozen=True)
class WebDataset:
    """`per_shard`: dialogues of a file, some 600 MB of FLAC."""

    name: ClassVar[str] = "webdataset"
    writes: ClassVar[str] = "SPLIT-NNNNNN.tar with KEY.user.flac, KEY.agent.flac, KEY.json; shards.json"
    read_by: ClassVar[str] = "webdataset.WebDataset(…)"
    loadable: ClassVar[bool] = False
    several: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 0
    text_bytes: ClassVar[int] = 2600  # tar pads each of three members to 512 bytes

    per_shard: int = 1000

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """FLAC of one channel."""
        return rates.flac

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`; KEY.json alone in an export without audio."""
        options = {"audio": dialogues.audio, "per_shard": self.per_shard, "version": 1}
        ours = r"(?:train|dev|test)-\d{6}\.tar|shards\.json"
        folder = ExportFolder(to, self.name, ours, dialogues, options)
        shards = write_shards(
            folder,
            dialogues,
            self.per_shard,
            lambda split, i: (f"{split}-{i:06d}.tar",),
            lambda parts: _Writer(parts[0], dialogues),
        )
        listed = {split: [{"file": f, "dialogues": n} for f, n in files] for split, files in sorted(shards.items())}
        write_json(to / "shards.json", listed)
        return folder.done(len(dialogues))


def key_of(dialogue_id: str) -> str:
    """The id, where it has no dot; else one without, which a hash keeps apart from every other.

    >>> key_of("seed-0a1b"), key_of("v1.5-x")
    ('seed-0a1b', 'v1_5-x_2462010aa15af8f7')
    """
    return dialogue_id if "." not in dialogue_id else f"{dialogue_id.replace('.', '_')}_{stable_hash(dialogue_id):016x}"


class _Writer:
    def __init__(self, path: Path, dialogues: Dialogues) -> None:
        self._tar, self._dialogues = PlainTar(path), dialogues

    def add(self, row: FinishedRow, speech: Speech) -> None:
        key = key_of(row["id"])
        for role, data in sorted(speech.items(), reverse=True):  # the user first
            self._tar.add(f"{key}.{role}.flac", data)
        facts = json.dumps(self._dialogues.facts(row), ensure_ascii=False, allow_nan=False)
        self._tar.add(f"{key}.json", facts.encode())

    def close(self) -> None:
        self._tar.close()
