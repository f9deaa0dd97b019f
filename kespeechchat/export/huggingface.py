"""Parquet that the `datasets` library reads as it is: one row a dialogue, its two turns as Audio columns.

An Audio column is an Arrow struct<bytes, path>, and the schema's metadata names the features, so pyarrow writes all of
it. `data/SPLIT-NNNNN.parquet`, and a README.md whose front matter maps splits to files.

    datasets.load_dataset("FOLDER", split="train")
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from kespeechchat.dataset.metadata import write_text
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder, write_shards
from kespeechchat.export.selection import Selection

PER_SHARD = 500  # dialogues: some 300 MB of FLAC
_ROW_GROUP = 50  # dialogues that a reader must take at once
_TYPES = {"error_rate": pa.float64(), "user_seconds": pa.float64(), "agent_seconds": pa.float64()}
_ROLES = ("user", "agent")
_TEXTS = ("id", "language", "split", "partition", "metric", "error_rate")
_OF_ROLE = ("text", "voice", "gender", "seconds")
_AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def export(dialogues: Dialogues, to: Path, *, per_shard: int = PER_SHARD) -> Done:
    """Writes below `to`, audio as FLAC in columns `user_audio` and `agent_audio`. Raises ExportError for audio that
    does not fit its row, and where sample rates differ."""
    schema = _schema(dialogues.selection.rate() if dialogues.audio else None)
    options = {"audio": dialogues.audio, "per_shard": per_shard, "pyarrow": pa.__version__, "version": 1}
    ours = r"data/(?:train|dev|test)-\d{5}\.parquet|README\.md"
    folder = ExportFolder(to, "huggingface", ours, dialogues, options)
    shards = write_shards(
        folder,
        dialogues,
        per_shard,
        lambda split, i: (f"data/{split}-{i:05d}.parquet",),
        lambda parts: _Writer(parts[0], schema, dialogues),
    )
    write_text(to / "README.md", _readme(shards, dialogues.selection, dialogues.audio))
    return Done(len(dialogues), folder.written, folder.kept)


def _schema(rate: int | None) -> pa.Schema:
    """The Arrow schema, with the features of `datasets` in its metadata. `rate`: Hz, or None for no audio."""
    names = [*_TEXTS, *(f"{role}_{what}" for role in _ROLES for what in _OF_ROLE)]
    fields = [pa.field(name, _TYPES.get(name, pa.string())) for name in names]
    features: dict[str, Any] = {
        f.name: {"dtype": "string" if f.type == pa.string() else "float64", "_type": "Value"} for f in fields
    }
    if rate is not None:
        fields += [pa.field(f"{role}_audio", _AUDIO) for role in _ROLES]
        features |= {f"{role}_audio": {"sampling_rate": rate, "_type": "Audio"} for role in _ROLES}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


class _Writer:
    def __init__(self, path: Path, schema: pa.Schema, dialogues: Dialogues) -> None:
        plain = [f.name for f in schema if not pa.types.is_struct(f.type)]
        self._file = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=plain, write_statistics=plain)
        self._schema, self._dialogues = schema, dialogues
        self._rows: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any], speech: Mapping[str, bytes]) -> None:
        audio = {f"{k}_audio": {"bytes": v, "path": f"{row['id']}.{k}.flac"} for k, v in speech.items()}
        self._rows.append(self._dialogues.facts(row) | audio)
        if len(self._rows) == _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


def _readme(shards: Mapping[str, list[tuple[str, int]]], selection: Selection, audio: bool) -> str:
    splits = [s for s in ("train", "dev", "test") if s in shards]
    files = [{"split": s, "path": f"data/{s}-*.parquet"} for s in splits]
    front = {"configs": [{"config_name": "default", "data_files": files}], "language": sorted(selection.hours)}
    counts = "\n".join(f"- {s}: {sum(n for _, n in shards[s]):,} dialogues" for s in splits)
    text = (
        "Spoken dialogues in virtual voices: all speech is synthetic and watermarked. `partition` is the smallest "
        "partition that holds a dialogue; held-out dialogues have none. The default export (`ke-speechchat`) has the "
        f"dataset card with sources and licences.\n\n{counts}\n"
    )
    heard = "" if audio else "\nThis export is without audio.\n"
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{text}{heard}"
