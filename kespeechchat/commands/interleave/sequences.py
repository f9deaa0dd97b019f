"""The finished sequences as files for a trainer: Parquet, JSON lines, a vocabulary and a card.

    FOLDER/data/sequences-00000.parquet    id, language, text, pieces
    FOLDER/sequences-00000.jsonl           the same, a line a sequence
    FOLDER/tokens.json                     the marks, how many tokens there are, how many a second
    FOLDER/README.md                       the card

`text` is the document with the tokens of each span, in their marks, in the place of the span's words. `pieces` has the
same apart: plain text as text and tokens as numbers, so that a trainer can encode each for itself.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ArrowInvalid

from kespeechchat.config.interleave import Marks
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.dataset.interleaving import marked_text
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.store.commit import CommitRecord
from kespeechchat.store.shards import read_sound_record, read_table
from kespeechchat.whole_file import PART, whole_file

UNIT = "interleaved"
_SEQUENCES = re.compile(r"(sequences-\d{5,}\.jsonl|data/sequences-\d{5,}\.parquet)(\.part)?")
_CARD = ("README.md", "tokens.json")
_UNFINISHED = tuple(name + PART for name in _CARD)  # a run was killed while it wrote one
_PIECE = pa.struct(
    [
        ("text", pa.string()),  # of the document
        ("tokens", pa.list_(pa.int32())),  # null: the piece stays text
        ("said", pa.string()),  # as the voice read it
        ("language", pa.string()),
        ("voice", pa.string()),
        ("seconds", pa.float32()),
    ]
)
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("language", pa.string()),
        ("text", pa.string()),
        ("pieces", pa.list_(_PIECE)),
    ]
)


@dataclass
class Counted:
    """What the sequences hold, for the card and the user."""

    sequences: Counter[str] = field(default_factory=Counter)  # by language
    words: int = 0
    spoken_words: int = 0
    spans: int = 0
    tokens: int = 0
    seconds: float = 0.0
    unspeakable: int = 0
    used: set[int] = field(default_factory=set)  # token numbers
    voices: set[str] = field(default_factory=set)
    rejected: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    missing: int = 0
    engines: dict[str, dict[str, str]] = field(default_factory=dict)
    codebooks: set[tuple[float, int, int]] = field(default_factory=set)  # (frames a second, codebooks, tokens of each)

    def add(self, row: dict[str, Any]) -> None:
        """Takes note of one sequence."""
        self.sequences[row["language"]] += 1
        self.words += row["words"]
        self.spoken_words += row["spoken_words"]
        self.unspeakable += row["unspeakable"]
        self.codebooks.add((row["rate"], row["codebooks"], row["codebook_size"]))
        for piece in row["pieces"]:
            if piece["tokens"] is not None:
                self.spans += 1
                self.tokens += len(piece["tokens"])
                self.seconds += piece["seconds"] or 0.0
                self.used.update(piece["tokens"])
                self.voices.add(piece["voice"])

    def add_record(self, record: CommitRecord) -> None:
        """Takes note of what was refused in a shard, and of the engines that made it."""
        self.engines |= record.engines
        for counts in record.counts.values():
            self.rejected.update(counts.rejected)
            self.failed += counts.failed


def write_sequences(build_state: BuildState, to: Path) -> Counted:
    """Writes the sequences of all shards that are done, a pair of files a shard; each appears whole. A pair that is
    there of the same shard, with the same marks, stays; files of shards that are no longer part of the chain are
    removed."""
    pipeline, counted = build_state.pipeline, Counted()
    states = build_state.states(UNIT)
    counted.missing = sum(s.state is not State.DONE for s in states.values())
    check_folder(to)
    (to / "data").mkdir(parents=True, exist_ok=True)
    marks = _marks(pipeline)
    written = set()
    for number, state in states.items():
        if state.state is not State.DONE:
            continue
        record = read_sound_record(build_state.store, UNIT, state.order.key)
        counted.add_record(record)
        rows = read_table(build_state.store, UNIT, record, None).to_pylist()
        for row in rows:
            counted.add(row)
        if len(counted.codebooks) > 1:
            raise ConfigError(f"{to}: shard {number:05d} has tokens of another codebook than those before it")
        pair = to / f"sequences-{number:05d}.jsonl", to / "data" / f"sequences-{number:05d}.parquet"
        made_of = {"format": "1", "shard": state.order.key.stem, "marks": marks.model_dump_json()}
        if not _is_there(pair, made_of):
            _write(pair, [_sequence(row, marks) for row in rows], made_of)
        written |= set(pair)
    for old in [*to.glob("sequences-*.jsonl"), *to.glob("data/sequences-*.parquet")]:
        if old not in written:
            old.unlink()
    return counted


def check_folder(to: Path) -> None:
    """Raises ConfigError for a folder with other files in it: they would be overwritten, or mistaken for ours."""
    if to.exists() and not to.is_dir():
        raise ConfigError(f"--to {to}: is a file: name a folder")
    files = [p for folder in (to, to / "data") if folder.is_dir() for p in folder.iterdir() if p != to / "data"]
    names = sorted(path.relative_to(to).as_posix() for path in files)
    others = [name for name in names if not (_SEQUENCES.fullmatch(name) or name in _UNFINISHED)]
    if _is_vocabulary(to / "tokens.json"):
        others = [name for name in others if name not in _CARD]
    if others:
        raise ConfigError(f"--to {to}: holds {others[0]}, which is none of the sequences' files: name an empty folder")


def _is_vocabulary(file: Path) -> bool:
    """Whether it is a tokens.json of ours, which is written before the card."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"begin", "end", "token", "codebooks", "size"} <= found.keys()


def _marks(pipeline: Pipeline) -> Marks:
    assert pipeline.interleave is not None
    return pipeline.interleave.marks


def _sequence(row: dict[str, Any], marks: Marks) -> dict[str, Any]:
    pieces = [{name: piece[name] for name in _PIECE.names} for piece in row["pieces"]]
    text = marked_text(pieces, marks, row["codebooks"])
    return {"id": row["id"], "source": row["source"], "language": row["language"], "text": text, "pieces": pieces}


def _is_there(pair: tuple[Path, Path], made_of: Mapping[str, str]) -> bool:
    """Whether the two files of a shard are there and made of the same: the second, which says so, was written last."""
    if not all(path.exists() for path in pair):
        return False
    try:
        found = pq.read_schema(pair[1]).metadata or {}
    except ArrowInvalid:
        return False
    return all(found.get(name.encode()) == value.encode() for name, value in made_of.items())


def _write(pair: tuple[Path, Path], sequences: list[dict[str, Any]], made_of: Mapping[str, str]) -> None:
    """The two files of a shard."""
    lines, table = pair
    with whole_file(lines) as file:
        for sequence in sequences:
            file.write((json.dumps(_short(sequence), ensure_ascii=False) + "\n").encode())
    sink = io.BytesIO()
    schema = _SCHEMA.with_metadata(dict(made_of))
    pq.write_table(pa.Table.from_pylist(sequences, schema=schema), sink, compression="zstd")
    with whole_file(table) as file:
        file.write(sink.getvalue())


def _short(sequence: dict[str, Any]) -> dict[str, Any]:
    """A line of JSON says nothing of what is null."""
    pieces = [{k: v for k, v in piece.items() if v is not None} for piece in sequence["pieces"]]
    return {**sequence, "pieces": pieces}
