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
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kespeechchat.config.interleave import Marks
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.dataset.interleaving import marked
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.store.commit import CommitRecord
from kespeechchat.store.shards import read_sound_record, read_table
from kespeechchat.whole_file import whole_file

UNIT = "interleaved"
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
    lengths: Counter[int] = field(default_factory=Counter)  # words of a span → spans
    tokens: int = 0
    seconds: float = 0.0
    unspeakable: int = 0
    used: set[int] = field(default_factory=set)  # token numbers
    voices: set[str] = field(default_factory=set)
    rejected: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    shards: int = 0
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
                self.lengths[piece["words"]] += 1
                self.tokens += len(piece["tokens"])
                self.seconds += piece["seconds"] or 0.0
                self.used.update(piece["tokens"])
                self.voices.add(piece["voice"])

    def add_record(self, record: CommitRecord) -> None:
        """Takes note of what was refused in a shard, and of the engines that made it."""
        self.shards += 1
        self.engines |= record.engines
        for counts in record.counts.values():
            self.rejected.update(counts.rejected)
            self.failed += counts.failed


def write_sequences(build_state: BuildState, to: Path) -> Counted:
    """Writes the sequences of all shards that are done, a pair of files a shard; each appears whole. Files of shards
    that are no longer part of the chain are removed."""
    pipeline, counted = build_state.pipeline, Counted()
    states = build_state.states(UNIT)
    counted.missing = sum(s.state is not State.DONE for s in states.values())
    _check_folder(to)
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
        written |= set(_write(to, number, [_sequence(row, marks) for row in rows]))
    for old in [*to.glob("sequences-*.jsonl"), *to.glob("data/sequences-*.parquet")]:
        if old not in written:
            old.unlink()
    return counted


def _check_folder(to: Path) -> None:
    """Raises ConfigError for a folder with other things in it: its files would be mistaken for ours."""
    ours = {"data", "tokens.json", "README.md"}
    others = (
        [p.name for p in to.iterdir() if p.name not in ours and not p.name.startswith("sequences-")]
        if to.is_dir()
        else []
    )
    if others:
        raise ConfigError(f"--to {to}: holds {others[0]}, which is none of the sequences' files: name an empty folder")


def _marks(pipeline: Pipeline) -> Marks:
    assert pipeline.interleave is not None
    return pipeline.interleave.marks


def _sequence(row: dict[str, Any], marks: Marks) -> dict[str, Any]:
    pieces = [{name: piece[name] for name in _PIECE.names} for piece in row["pieces"]]
    text = "".join(
        piece["text"] if piece["tokens"] is None else marked(piece["tokens"], marks, row["codebooks"])
        for piece in pieces
    )
    return {"id": row["id"], "source": row["source"], "language": row["language"], "text": text, "pieces": pieces}


def _write(to: Path, number: int, sequences: list[dict[str, Any]]) -> Iterator[Path]:
    """The two files of a shard."""
    lines, table = to / f"sequences-{number:05d}.jsonl", to / "data" / f"sequences-{number:05d}.parquet"
    with whole_file(lines) as file:
        for sequence in sequences:
            file.write((json.dumps(_short(sequence), ensure_ascii=False) + "\n").encode())
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(sequences, schema=_SCHEMA), sink, compression="zstd")
    with whole_file(table) as file:
        file.write(sink.getvalue())
    yield from (lines, table)


def _short(sequence: dict[str, Any]) -> dict[str, Any]:
    """A line of JSON says nothing of what is null."""
    pieces = [{k: v for k, v in piece.items() if v is not None} for piece in sequence["pieces"]]
    return {**sequence, "pieces": pieces}
