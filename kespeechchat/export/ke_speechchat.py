"""The paper's own layout: metadata.json, audio/, partitions/, splits/, subsets/, statistics, quality and a card.

The rows are read twice: to cut the partitions (`selection.select`), and to write all of this; once more for audio. Many
are read by several processes. Every file appears whole, by rename, so an export that was killed is simply run again.
Same rows, same bytes. Memory grows with the dialogues by some 40 bytes each.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.config.dataset import ExportSettings, SubsetSettings
from kespeechchat.dataset.card import CardFacts, card
from kespeechchat.dataset.metadata import JsonArray, dialogue_object, lines, write_text
from kespeechchat.dataset.partitions import Plan
from kespeechchat.dataset.splits import Overlap
from kespeechchat.dataset.statistics import COLUMNS
from kespeechchat.export.figures import Figures
from kespeechchat.export.lists import ListFiles, Members
from kespeechchat.export.selection import Part, ReadAudio, Rule, Selection, parts_of
from kespeechchat.export.subsets import SubsetFiles
from kespeechchat.export.wav_tree import ExportError, WavTree, safe_name
from kespeechchat.processes import spread
from kespeechchat.seeds import stable_hash

__all__ = ["ExportError", "Report", "export", "safe_name"]

WRITTEN = (*COLUMNS, "seconds", "turns.list.element.sample_rate")  # Parquet columns


@dataclass(frozen=True)
class Report:
    """What an export did; `audio` counts WAV files written, kept and removed, and names foreign ones."""

    dialogues: int
    plan: Plan
    audio: WavTree | None
    statistics: Mapping[str, Any]
    overlaps: list[Overlap]  # between splits: must be empty


def export(
    selection: Selection,
    read_audio: ReadAudio | None,
    to: Path,
    *,
    genders: Mapping[str, str],
    watermark_threshold: float,
    settings: ExportSettings | None = None,
    subsets: SubsetSettings | None = None,
    content: str = "",
    parents: Mapping[str, Iterable[str]] | None = None,
    facts: Mapping[str, Any] | None = None,
    yields: Sequence[Mapping[str, Any]] = (),
    rounds: Mapping[str, Any] | None = None,
    processes: int | None = None,
) -> Report:
    """Writes `selection` below the folder `to`.

    `read_audio(row)` gives each role's marked speech (`user`, `agent`) as FLAC; `genders` maps voices to genders;
    `content` is a hash of what the rows came from: WAV files that an earlier run wrote for it are kept. `parents` maps
    voices to their real speakers, to check that no held-out one has a training parent. `facts` go to the card (fields
    of `CardFacts`), `yields` (per stage: name, rows_in, kept, rejected, failed_rows) and `rounds` (of speech: rows in,
    kept and dropped by language) to quality.json. Raises ExportError for audio that does not fit its row. `processes`
    as in `processes.spread`.
    """
    settings, rule = settings or ExportSettings(), selection.rule
    tree = WavTree(to, fan_out=selection.dialogues > settings.many)
    with_audio = _wants_audio(settings, read_audio, selection.dialogues)
    if with_audio:
        _write_audio(selection, read_audio, tree, content)
    figures = Figures(rule, genders, watermark_threshold, subsets or SubsetSettings())
    told = _Told(rule, genders, tree, Members(rule), figures)
    lists = ListFiles(to, selection)
    offered = SubsetFiles(to, subsets or SubsetSettings()) if figures.subsets else None
    with JsonArray(to / "metadata.json") as metadata:
        for piece in spread(told, parts_of(selection.rows), processes):
            metadata.extend(piece.metadata)
            lists.extend(piece.ids)
            if offered:
                offered.offer(piece.offered)
    contents = lists.close(told.members)
    found, leaks = figures.write(to, offered, contents, selection.splits, parents or {}, yields, rounds or {})
    known = {
        "name": "Ke-SpeechChat, rebuilt",
        "splits": dict(selection.splits),
        "with_audio": with_audio,
        "overlaps": [str(leak) for leak in leaks],
        "checked": ["user voice", "user text", *(["parent of a user voice"] if parents else [])],
        **(facts or {}),
    }
    write_text(to / "README.md", card(CardFacts(statistics=found, partitions=contents, **known)))
    return Report(told.dialogues, selection.plan, tree if with_audio else None, found, leaks)


@dataclass(frozen=True)
class _Piece:
    """What the files get from one part of the rows."""

    metadata: bytes
    ids: dict[str, list[str]]
    offered: bytes  # to the ASR subset


@dataclass
class _Told:
    """What the export says of the dialogues: pieces of the files for `processes.spread`, and the figures of all."""

    rule: Rule
    genders: Mapping[str, str]
    tree: WavTree
    members: Members
    figures: Figures
    dialogues: int = 0

    def do(self, part: Part) -> _Piece:
        objects = lines(map(self._add, self.rule.chosen(part.rows(WRITTEN))))
        subsets = self.figures.subsets
        return _Piece(objects, self.members.take(), subsets.take() if subsets else b"")

    def _add(self, chosen: tuple[Mapping[str, Any], int]) -> dict[str, Any]:
        row, level = chosen
        self.dialogues += 1
        self.members.add(row, level)
        self.figures.add(row, level)
        return dialogue_object(row, self.genders, self.tree.folder(row["id"]))

    def merge(self, other: _Told) -> None:
        self.dialogues += other.dialogues
        self.members.merge(other.members)
        self.figures.merge(other.figures)


def _write_audio(selection: Selection, read_audio: ReadAudio, tree: WavTree, content: str) -> None:
    tree.prepare(content)
    keys = array("Q")
    for row in selection:
        keys.append(stable_hash(row["id"]))
        if not tree.has(row):
            tree.write(row, read_audio(row))
    tree.sweep(np.sort(np.frombuffer(keys, dtype=np.uint64)) if keys else np.zeros(0, dtype=np.uint64))


def _wants_audio(settings: ExportSettings, read_audio: ReadAudio | None, dialogues: int) -> bool:
    if settings.audio is None and read_audio is not None and dialogues > settings.many:
        raise ExportError(
            f"{dialogues:,} dialogues make {2 * dialogues:,} WAV files: "
            "ask for them (`audio: true`) or for metadata alone (`audio: false`)"
        )
    if settings.audio and read_audio is None:
        raise ExportError("audio was asked for, and there is nothing to read it with")
    return read_audio is not None and settings.audio is not False
