"""The planning pass: one sequential read of the inputs that drops duplicates and gives shard numbers, once.

A row is known by its id, that is by its content, and by how often it has been seen in this pass. What the manifest
already holds is passed over; what is new fills new shards, one language each. The pass is published in one step, so a
pass killed in the middle leaves nothing, and the next one plans the same.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import InstructionInput, Pipeline, SpeechInput
from kespeechchat.store.commit import new_attempt
from kespeechchat.store.manifest import ROW, Manifest, PlannedShard, Segment
from kespeechchat.store.objects import AlreadyExists, ObjectStore
from kespeechchat.text.layouts import content_id, read_row
from kespeechchat.text.source_filters import language_of

_TOLD = 10  # malformed rows that are told at once; all of them are kept as rejected rows
MAX_LINE = 1 << 20  # bytes of one row; a longer one is a bomb or a broken file, not an instruction
AUDIO_ENDINGS = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}


@dataclass(frozen=True)
class PlannedRow:
    id: str
    source: str
    file: str
    line: int
    language: str | None
    raw: str
    problem: str | None = None


def plan_branch(store: ObjectStore, pipeline: Pipeline, branch: str) -> Manifest:
    """The manifest of `branch` (instructions | speech), brought up to date with the profile's inputs.

    Raises ConfigError for an input that is missing or of an unknown kind.
    """
    settings = getattr(pipeline, branch)
    digests = {_digest(item, settings): item.path for item in settings.inputs}
    for _ in range(5):
        manifest = Manifest(store, branch)
        if manifest.knows(digests):
            return manifest
        rows = (row for item in settings.inputs for row in islice(input_rows(item), getattr(settings, "limit", None)))
        segment = _plan_rows(store, manifest, rows, settings.shard_size, digests)
        try:
            manifest.append(segment)
            return manifest
        except AlreadyExists:
            for shard in segment.shards:
                store.delete(shard.file)
    raise RuntimeError(f"{store.url}/plan/{branch}: other builds keep planning at the same time; try again")


def _plan_rows(
    store: ObjectStore, manifest: Manifest, rows: Iterable[PlannedRow], size: int, digests: dict[str, str]
) -> Segment:
    planned = Counter(manifest.ids())  # appearances already in the manifest
    seen: Counter[str] = Counter()
    waiting: dict[str | None, list[dict[str, Any]]] = {}
    shards: list[PlannedShard] = []
    first, attempt = len(manifest.shards), new_attempt()
    problems: list[str] = []

    def close(language: str | None) -> None:
        batch = waiting.pop(language)
        shards.append(_write(store, manifest.branch, first + len(shards), language, batch, attempt))

    for row in rows:
        seen[row.id] += 1
        if seen[row.id] <= planned[row.id]:
            continue
        problems += [row.problem] if row.problem else []
        batch = waiting.setdefault(row.language, [])
        batch.append(_as_dict(row, seen[row.id]))
        if len(batch) == size:
            close(row.language)
    for language in sorted(waiting, key=str):
        close(language)
    gone = sum(1 for id_ in planned if id_ not in seen)
    summary = {"rows": sum(s.rows for s in shards), "rows_no_longer_in_inputs": gone}
    summary |= {"malformed": len(problems), "problems": problems[:_TOLD]}
    return Segment(len(manifest.segments), digests, tuple(shards), summary)


def _as_dict(row: PlannedRow, occurrence: int) -> dict[str, Any]:
    id_ = row.id if occurrence == 1 else f"{row.id}-d{occurrence}"
    keep = ("source", "file", "line", "raw", "problem")
    return {"id": id_, "occurrence": occurrence, **{name: getattr(row, name) for name in keep}}


def _write(
    store: ObjectStore, branch: str, number: int, language: str | None, rows: list[dict[str, Any]], attempt: str
) -> PlannedShard:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=ROW), sink, compression="zstd")
    key = f"plan/{branch}/data/shard-{number:05d}.{attempt}.parquet"
    store.put(key, sink.getvalue())
    content = hashlib.sha256("\x1e".join(f"{r['id']}\x1f{r['raw']}\x1f{r['problem']}" for r in rows).encode())
    return PlannedShard(number, language, len(rows), key, content.hexdigest())


def _digest(item: InstructionInput | SpeechInput, settings: Any) -> str:
    """What a pass over this input depends on: its bytes (a folder: its names), and how it is read."""
    input_rows(item)  # says so where there is none
    path = Path(item.path)
    how = item.model_dump_json(exclude={"path"}) + str(getattr(settings, "limit", None)) + str(settings.shard_size)
    digest = hashlib.sha256(how.encode())
    if path.is_dir():
        digest.update("\n".join(str(p.relative_to(path)) for p in _audio_files(path)).encode())
    else:
        with open(path, "rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


# --- instructions


def input_rows(item: InstructionInput | SpeechInput) -> Iterator[PlannedRow]:
    """Every row of one input, sound or not, in its order. Raises ConfigError for a file of an unknown kind."""
    if not Path(item.path).exists():
        raise ConfigError(f"{item.path}: no such input file; name one that exists under inputs or with --input")
    return _instructions(item) if isinstance(item, InstructionInput) else _clips(item)


def _instructions(item: InstructionInput) -> Iterator[PlannedRow]:
    path = Path(item.path)
    source = item.source or _slug(path.stem)
    for line, raw, problem in _raw_rows(path):
        if problem is None:
            try:
                row = read_row(json.loads(raw), item.layout, item.columns)
            except json.JSONDecodeError as error:
                problem = f"{path.name}:{line}: no valid JSON ({error}); mend or remove the line"
            except (ValueError, RecursionError) as error:
                problem = f"{path.name}:{line}: {error}"
        if problem is not None:
            language = item.language or language_of(raw) or "en"
            yield PlannedRow(content_id(source, raw), source, path.name, line, language, raw[:2000], problem)
            continue
        language = item.language or language_of(f"{row.instruction}\n{row.input}") or language_of(raw) or "en"
        normal = {"instruction": row.instruction, "input": row.input, "reference": row.reference, "task": row.task}
        raw = json.dumps(normal, ensure_ascii=False)
        yield PlannedRow(content_id(source, row.instruction, row.input), source, path.name, line, language, raw)


def _raw_rows(path: Path) -> Iterator[tuple[int, str, str | None]]:
    """(1-based line or row, JSON text, problem) of a JSONL or Parquet file."""
    if path.suffix == ".parquet":
        number = 0
        for batch in pq.ParquetFile(path).iter_batches(batch_size=4096):
            for row in batch.to_pylist():
                number += 1
                yield number, json.dumps(row, ensure_ascii=False, default=str), None
        return
    if path.suffix not in (".jsonl", ".json", ".ndjson"):
        raise ConfigError(f"{path}: inputs are .jsonl or .parquet files, not {path.suffix or 'files without ending'!r}")
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    pass
                problem = f"{path.name}:{number}: longer than {MAX_LINE} bytes"
                yield number, line[:200].decode("utf-8", "replace"), problem
            elif line.strip():
                text, problem = line.decode("utf-8", "replace").strip(), None
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as error:
                    problem = f"{path.name}:{number}: not UTF-8 (byte {error.start}); save the file as UTF-8"
                yield number, text, problem


def _slug(name: str) -> str:
    slug = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)[:32].strip("_")
    return slug or "source"


# --- speech


def _clips(item: SpeechInput) -> Iterator[PlannedRow]:
    path = Path(item.path)
    source = _slug(path.stem)
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


def _audio_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_ENDINGS and p.is_file())


def _folder_rows(folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """A recording is a subfolder; in a flat folder the file's name up to the first '-' or '_'."""
    for number, file in enumerate(_audio_files(folder), 1):
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
    for line, raw, problem in _raw_rows(path):
        try:
            row = json.loads(raw) if problem is None else {}
        except ValueError:
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
