"""Parquet that the `datasets` library reads as it is: one row a dialogue, its two turns as Audio columns.

An Audio column is an Arrow struct<bytes, path>, and the schema's metadata names the features, so pyarrow writes all of
it. `data/SPLIT-NNNNN.parquet`, and a README.md whose front matter maps splits to files.

    datasets.load_dataset("FOLDER", split="train")

A file has a row group for every 16 dialogues, so a streaming job can read it with many workers:
`load_dataset("FOLDER", split="train", streaming=True).reshard()` has a shard for each row group.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.hub import LICENCE_FILE, DataFiles, front_matter, licence_file, licence_table
from kespeechchat.export.audio_files import Speech
from kespeechchat.export.dialogues import Dialogues, Facts
from kespeechchat.export.folder import Done, ExportFolder, write_shards
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.rows import FinishedRow
from kespeechchat.whole_file import write_text

_NUMBERS = ("error_rate", "user_seconds", "agent_seconds")
_ROLES = ("user", "agent")
_AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class HuggingFace:
    """`per_shard`: dialogues of a file, some 300 MB of FLAC; `row_group`: dialogues that a reader takes at once."""

    name: ClassVar[str] = "huggingface"
    writes: ClassVar[str] = "data/SPLIT-NNNNN.parquet, user_audio and agent_audio as Audio columns"
    read_by: ClassVar[str] = 'datasets.load_dataset("FOLDER")'
    loadable: ClassVar[bool] = True
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
        schema = _schema(dialogues.selection.rate() if dialogues.audio else None)
        sizes = {"per_shard": self.per_shard, "row_group": self.row_group}
        options = {"audio": dialogues.audio, **sizes, "pyarrow": pa.__version__, "version": 2}
        ours = rf"data/(?:train|dev|test)-\d{{5}}\.parquet|README\.md|{LICENCE_FILE}"
        folder = ExportFolder(to, self.name, ours, dialogues, options)
        shards = write_shards(
            folder,
            dialogues,
            self.per_shard,
            lambda split, i: (f"data/{split}-{i:05d}.parquet",),
            lambda parts: _Writer(parts[0], schema, dialogues, self.row_group),
        )
        counts = {split: sum(n for _, n in files) for split, files in shards.items()}
        write_text(to / "README.md", _readme(counts, dialogues, build))
        write_text(to / LICENCE_FILE, licence_file(build.licences))
        return Done(len(dialogues), folder.written, folder.kept)


def _schema(rate: int | None) -> pa.Schema:
    """The Arrow schema, with the features of `datasets` in its metadata. `rate`: Hz, or None for no audio."""
    fields = [pa.field(name, pa.float64() if name in _NUMBERS else pa.string()) for name in Facts.__annotations__]
    features: dict[str, Any] = {
        f.name: {"dtype": "string" if f.type == pa.string() else "float64", "_type": "Value"} for f in fields
    }
    if rate is not None:
        fields += [pa.field(f"{role}_audio", _AUDIO) for role in _ROLES]
        features |= {f"{role}_audio": {"sampling_rate": rate, "_type": "Audio"} for role in _ROLES}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


class _Writer:
    def __init__(self, path: Path, schema: pa.Schema, dialogues: Dialogues, row_group: int) -> None:
        plain = [f.name for f in schema if not pa.types.is_struct(f.type)]
        self._file = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=plain, write_statistics=plain)
        self._schema, self._dialogues, self._row_group = schema, dialogues, row_group
        self._rows: list[dict[str, Any]] = []

    def add(self, row: FinishedRow, speech: Speech) -> None:
        audio = {f"{k}_audio": {"bytes": v, "path": f"{row['id']}.{k}.flac"} for k, v in speech.items()}
        self._rows.append({**self._dialogues.facts(row), **audio})
        if len(self._rows) == self._row_group:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


def _readme(splits: Mapping[str, int], dialogues: Dialogues, build: BuildFacts) -> str:
    names = [s for s in ("train", "dev", "test") if s in splits]
    data_files: DataFiles = [{"split": s, "path": f"data/{s}-*.parquet"} for s in names]
    head = front_matter(build, sorted(dialogues.selection.hours), len(dialogues), data_files)
    counts = "\n".join(f"- {s}: {splits[s]:,} dialogues" for s in names)
    heard = "" if dialogues.audio else "\n\nThis export is without audio."
    return (
        f"{head}\nSpoken dialogues in virtual voices: all speech is synthetic and watermarked. `partition` is the "
        "smallest partition that holds a dialogue; held-out dialogues have none. The default export (`ke-speechchat`) "
        f"has the figures.\n\n{counts}{heard}\n\n{licence_table(build.licences)}\n"
    )
