"""Rows of a speech corpus: a manifest (TSV, CSV, JSONL, Parquet), a folder of audio, or a recipe to synthesize."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from kespeechchat.config.load import ConfigError, read_mapping
from kespeechchat.config.pipeline import SpeechInput
from kespeechchat.ids import content_id, source_of
from kespeechchat.inputs.json_lines import lines_of, parsed
from kespeechchat.inputs.parquet_rows import row_batches
from kespeechchat.records import Language
from kespeechchat.store.manifest import PlannedRow

_ROWS = 8192  # of a batch of Parquet
AUDIO_ENDINGS = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}


def speech_rows(item: SpeechInput) -> Iterator[PlannedRow]:
    path = Path(item.path)
    source = source_of(path.stem)
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
        known = cast(Language, language) if problem is None else "en"
        yield PlannedRow(id_, source, path.name, line, known, raw, problem)


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
        row = {key: value for key, value in row.items() if isinstance(value, (str, int, float))}
        got = {ours: next((row[t] for t in theirs if row.get(t)), None) for ours, theirs in names.items()}
        if got["path"]:
            got["path"] = str(path.parent / got["path"])  # an absolute path stays itself
        yield line, {k: v for k, v in got.items() if v is not None}


def _table_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.suffix in (".tsv", ".csv"):
        yield from enumerate(_csv_rows(path), 2)
        return
    if path.suffix == ".parquet":
        rows = (row for batch in row_batches(path, _ROWS) for row in batch.to_pylist())
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


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: not readable as {path.suffix[1:].upper()} in UTF-8: {error}; mend the file"
        ) from None


def _recipe_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """A recipe to synthesize: recordings, each with clips spoken in a mix of the TTS's stock styles."""
    data, _ = read_mapping(path, "a recipe holds recordings")
    try:
        recordings = [(recording, list(recording["clips"])) for recording in data["recordings"]]
        rows = [_recipe_row(recording, clip) for recording, clips in recordings for clip in clips]
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path}: not a recipe ({type(error).__name__}: {error}); recordings have id, language, style and clips, a "
            "clip is a text or has one; see examples/corpus.yaml"
        ) from None
    yield from enumerate(rows, 1)


def _recipe_row(recording: dict[str, Any], clip: Any) -> dict[str, Any]:
    clip = clip if isinstance(clip, dict) else {"text": clip}
    return {
        "recording": recording["id"],
        "language": recording["language"],
        "gender": recording.get("gender"),
        "transcript": clip["text"],
        "style": clip.get("style") or recording["style"],
    }
