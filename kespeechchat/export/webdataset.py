"""WebDataset shards: `SPLIT-NNNNNN.tar` with KEY.user.flac, KEY.agent.flac and KEY.json for each dialogue.

    webdataset.WebDataset("FOLDER/train-{000000..000012}.tar")

A WebDataset key ends at its first dot, so an id with dots has a key of its own; the id itself stands in KEY.json.
`shards.json` lists each split's files with their dialogues.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kespeechchat.dataset.metadata import write_json
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder, write_shards
from kespeechchat.export.tar import PlainTar
from kespeechchat.seeds import stable_hash

PER_SHARD = 1000  # dialogues: some 600 MB of FLAC


def export(dialogues: Dialogues, to: Path, *, per_shard: int = PER_SHARD) -> Done:
    """Writes below `to`; KEY.json alone in an export without audio. Raises ExportError for audio that does not fit its
    row."""
    options = {"audio": dialogues.audio, "per_shard": per_shard, "version": 1}
    ours = r"(?:train|dev|test)-\d{6}\.tar|shards\.json"
    folder = ExportFolder(to, "webdataset", ours, dialogues, options)
    shards = write_shards(
        folder,
        dialogues,
        per_shard,
        lambda split, i: (f"{split}-{i:06d}.tar",),
        lambda parts: _Writer(parts[0], dialogues),
    )
    listed = {split: [{"file": f, "dialogues": n} for f, n in files] for split, files in sorted(shards.items())}
    write_json(to / "shards.json", listed)
    return Done(len(dialogues), folder.written, folder.kept)


def key_of(dialogue_id: str) -> str:
    """The id, where it has no dot; else one without, told from every other by a hash.

    >>> key_of("seed-0a1b"), key_of("v1.5-x")
    ('seed-0a1b', 'v1_5-x_2462010aa15af8f7')
    """
    return dialogue_id if "." not in dialogue_id else f"{dialogue_id.replace('.', '_')}_{stable_hash(dialogue_id):016x}"


class _Writer:
    def __init__(self, path: Path, dialogues: Dialogues) -> None:
        self._tar, self._dialogues = PlainTar(path), dialogues

    def add(self, row: Mapping[str, Any], speech: Mapping[str, bytes]) -> None:
        key = key_of(row["id"])
        for role, data in sorted(speech.items(), reverse=True):  # the user first
            self._tar.add(f"{key}.{role}.flac", data)
        said = json.dumps(self._dialogues.facts(row), ensure_ascii=False, allow_nan=False)
        self._tar.add(f"{key}.json", said.encode())

    def close(self) -> None:
        self._tar.close()
