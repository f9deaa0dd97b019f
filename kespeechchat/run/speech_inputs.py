"""Rows of a speech corpus: a manifest (TSV, CSV, JSONL, Parquet), a folder of audio, or a recipe to synthesize."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import SpeechInput
from kespeechchat.run.json_lines import lines_of, parsed
from kespeechchat.store.manifest import PlannedRow
from kespeechchat.text.layouts import content_id, slug

AUDIO_ENDINGS = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}


def speech_rows(item: SpeechInput) -> Iterator[PlannedRow]:
    path = Path(item.path)
    source = slug(path.stem)
    if path.is_dir():
        rows: Iterable[tuple[int, dict[str, Any]]] = _folder_rows(path)
    elif path.suffix in (".yaml", ".yml"):
        rows = _recipe_rows(path)
    else:
        rows = _manifest_rows(path)
    for line, row in rows:
        language = row.get("language") or item.language
        problem = None
        if language not in ("zh", "en"):
            problem = f"{path.name}:{line}: language is {language!r}; give zh or en in the manifest or the profile"
        elif not row.get("recording"):
            problem = f"{path.name}:{line}: no recording id"
        elif not row.get("path") and not row.get("style"):
            problem = f"{path.name}:{line}: no audio path"
        key = json.dumps({k: v for k, v in row.items() if k not in ("path", "gender", "dnsmos")}, sort_keys=True)
        raw = json.dumps(row, ensure_ascii=False, sort_keys=True)
        name = Path(row["path"]).name if row.get("path") else ""
        id_ = content_id(source, key, name)
        yield PlannedRow(id_, source, path.name, line, language if problem is None else "en", raw, problem)


def audio_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_ENDINGS and p.is_file())


def _folder_rows(folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """A recording is a subfolder; in a flat folder the file's name up to the first '-' or '_'."""
    for number, file in enumerate(audio_files(folder), 1):
        inside = file.relative_to(folder).parent
        recording = inside.as_posix() if inside.parts else file.stem.replace("_", "-").split("-")[0]
        yield number, {"recording": recording, "path": str(file)}


def _manifest_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    names = {
        "path": ("path", "audio", "file", "audio_path"),
        "recording": ("recording", "recording_id", "speaker"),
        "transcript": ("transcript", "text"),
        "gender": ("gender",),
        "language": ("language",),
        "dnsmos": ("dnsmos", "corpus_dnsmos"),
    }
    for line, row in _table_rows(path):
        got = {ours: next((row[t] for t in theirs if row.get(t)), None) for ours, theirs in names.items()}
        if got["path"]:
            got["path"] = str(path.parent / got["path"])  # an absolute path stays itself
        yield line, {k: v for k, v in got.items() if v is not None}


def _table_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.suffix in (".tsv", ".csv"):
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            yield from enumerate(reader, 2)
        return
    if path.suffix == ".parquet":
        rows = (row for batch in pq.ParquetFile(path).iter_batches() for row in batch.to_pylist())
        yield from enumerate((json.loads(json.dumps(row, default=str)) for row in rows), 1)
        return
    if path.suffix not in (".jsonl", ".json", ".ndjson"):
        raise ConfigError(
            f"{path}: a speech input is a manifest (.tsv, .csv, .jsonl, .parquet), a recipe (.yaml) or a folder of "
            f"audio, not {path.suffix or 'a file without ending'!r}"
        )
    for line, text in enumerate(lines_of(path), 1):
        if text.strip():
            try:
                row = parsed(text)
            except (ValueError, RecursionError):
                row = {}
            yield line, row if isinstance(row, dict) else {}


def _recipe_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """A recipe to synthesize: recordings, each with clips spoken in a mix of the TTS's stock styles."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    number = 0
    for recording in data["recordings"]:
        for clip in recording["clips"]:
            number += 1
            clip = clip if isinstance(clip, dict) else {"text": clip}
            yield (
                number,
                {
                    "recording": recording["id"],
                    "language": recording["language"],
                    "gender": recording.get("gender"),
                    "transcript": clip["text"],
                    "style": clip.get("style") or recording["style"],
                },
            )
