"""Parquet that the `datasets` library reads as it is: one row a dialogue, its two turns as Audio columns.

`data/SPLIT-NNNNN.parquet`, and a README.md whose front matter maps splits to files.

    datasets.load_dataset("FOLDER", split="train")

A file has a row group for every 16 dialogues, so a streaming job can read it with many workers:
`load_dataset("FOLDER", split="train", streaming=True).reshard()` has a shard for each row group.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.metadata import CHANNELS
from kespeechchat.export.audio_files import Speech
from kespeechchat.export.audio_parquet import AUDIO, OURS, RowGroups, audio_schema, data_file
from kespeechchat.export.cards import write_card
from kespeechchat.export.dialogues import Dialogues, Facts, MannerFacts
from kespeechchat.export.folder import Done, ExportFolder, write_shards
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.rows import FinishedRow

_NUMBERS = ("error_rate", "user_seconds", "agent_seconds")
_ABOUT = (
    "Spoken dialogues in virtual voices: all speech is synthetic and watermarked. `partition` is the smallest "
    "partition that holds a dialogue; held-out dialogues have none. The default export (`ke-speechchat`) has the "
    "figures."
)


@dataclass(frozen=True)
class HuggingFace:
    """`per_shard`: dialogues of a file, some 300 MB of FLAC; `row_group`: dialogues that a reader takes at once."""

    name: ClassVar[str] = "huggingface"
    writes: ClassVar[str] = "data/SPLIT-NNNNN.parquet, user_audio and agent_audio as Audio columns"
    read_by: ClassVar[str] = 'datasets.load_dataset("FOLDER")'
    loadable: ClassVar[bool] = True
    several: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 0
    text_bytes: ClassVar[int] = 500

    per_shard: int = 500
    row_group: int = 16

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """FLAC of one channel."""
        return rates.flac

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`; raises ExportError also where sample rates differ."""
        columns = _columns(dialogues.audio, dialogues.selection.manners)
        schema = audio_schema(columns, dialogues.selection.rate() if dialogues.audio else 0)
        sizes = {"per_shard": self.per_shard, "row_group": self.row_group}
        options = {"audio": dialogues.audio, **sizes, "pyarrow": pa.__version__, "version": 2}
        folder = ExportFolder(to, self.name, OURS, dialogues, options)
        shards = write_shards(
            folder,
            dialogues,
            self.per_shard,
            data_file,
            lambda parts: _Writer(parts[0], schema, dialogues, self.row_group),
        )
        counts = {split: sum(n for _, n in files) for split, files in shards.items()}
        write_card(to, dialogues, build, counts, _ABOUT, "dialogues")
        return folder.done(len(dialogues), carded=True)


def _columns(audio: bool, manners: bool) -> dict[str, pa.DataType]:
    names = (MannerFacts if manners else Facts).__annotations__
    plain = {name: pa.float64() if name in _NUMBERS else pa.string() for name in names}
    return plain | ({f"{role}_audio": AUDIO for role in CHANNELS} if audio else {})


class _Writer:
    def __init__(self, path: Path, schema: pa.Schema, dialogues: Dialogues, row_group: int) -> None:
        self._file, self._dialogues = RowGroups(path, schema, row_group), dialogues

    def add(self, row: FinishedRow, speech: Speech) -> None:
        audio = {f"{k}_audio": {"bytes": v, "path": f"{row['id']}.{k}.flac"} for k, v in speech.items()}
        self._file.write({**self._dialogues.facts(row), **audio})

    def close(self) -> None:
        self._file.close()
