"""The paper's own layout: metadata.json, audio/, partitions/, splits/, subsets/, statistics, quality and a card.

The rows are read twice: to cut the partitions (`selection.select`), and to write all of this. Every file appears whole,
by rename, so an export that was killed is simply run again. Same rows, same bytes. Memory grows with the dialogues by
some 30 bytes each.
"""

from __future__ import annotations

import json
import os
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.config.dataset import ExportSettings, SubsetSettings
from kespeechchat.dataset.card import CardFacts, card
from kespeechchat.dataset.metadata import JsonArray, dialogue_object, write_text
from kespeechchat.dataset.partitions import Plan
from kespeechchat.dataset.splits import Overlap
from kespeechchat.export.figures import Figures
from kespeechchat.export.selection import ReadAudio, Selection, voices_of
from kespeechchat.export.wav_tree import ExportError, WavTree, safe_name
from kespeechchat.seeds import stable_hash

__all__ = ["ExportError", "Report", "export", "safe_name"]

HELD_OUT = ("dev", "test")


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
    settings: ExportSettings | None = None,
    subsets: SubsetSettings | None = None,
    content: str = "",
    parents: Mapping[str, Iterable[str]] | None = None,
    facts: Mapping[str, Any] | None = None,
    yields: Sequence[Mapping[str, Any]] = (),
) -> Report:
    """Writes `selection` below the folder `to`.

    `read_audio(row)` gives each role's marked speech (`user`, `agent`) as FLAC; `genders` maps voices to genders;
    `content` is a hash of what the rows came from: WAV files that an earlier run wrote for it are kept. `parents` maps
    voices to their real speakers, to check that no held-out one has a training parent. `facts` go to the card (fields
    of `CardFacts`), `yields` (per stage: name, rows_in, kept, rejected, failed_rows) to quality.json. Raises
    ExportError for audio that does not fit its row.
    """
    settings, cut = settings or ExportSettings(), selection.plan
    count = selection.dialogues
    tree = WavTree(to, fan_out=count > settings.many)
    with_audio = _wants_audio(settings, read_audio, count)
    for name in ("partitions", "splits"):
        (to / name).mkdir(parents=True, exist_ok=True)
    if with_audio:
        tree.prepare(content)
    keys, lists = array("Q"), _Lists(to, selection)
    figures = Figures(to, selection, genders, settings.watermark_threshold, subsets or SubsetSettings())
    with JsonArray(to / "metadata.json") as metadata:
        for row in selection:
            figures.add(row, lists.add(row))
            metadata.append(dialogue_object(row, genders, tree.folder(row["id"])))
            keys.append(stable_hash(row["id"]))
            if with_audio and not tree.has(row):
                tree.write(row, read_audio(row))
    if with_audio:
        tree.sweep(np.sort(np.frombuffer(keys, dtype=np.uint64)) if keys else np.zeros(0, dtype=np.uint64))
    contents = lists.close()
    found, leaks = figures.close(contents, selection.splits, parents or {}, yields)
    known = {
        "name": "Ke-SpeechChat, rebuilt",
        "splits": dict(selection.splits),
        "with_audio": with_audio,
        "overlaps": [str(leak) for leak in leaks],
        "checked": ["user voice", "user text", *(["parent of a user voice"] if parents else [])],
        **(facts or {}),
    }
    write_text(to / "README.md", card(CardFacts(statistics=found, partitions=contents, **known)))
    return Report(len(keys), cut, tree if with_audio else None, found, leaks)


def _wants_audio(settings: ExportSettings, read_audio: ReadAudio | None, dialogues: int) -> bool:
    if settings.audio is None and read_audio is not None and dialogues > settings.many:
        raise ExportError(
            f"{dialogues:,} dialogues make {2 * dialogues:,} WAV files: "
            "ask for them (`audio: true`) or for metadata alone (`audio: false`)"
        )
    if settings.audio and read_audio is None:
        raise ExportError("audio was asked for, and there is nothing to read it with")
    return read_audio is not None and settings.audio is not False


class _Lists:
    """partitions/NAME.json and splits/chat-NAME.json, ids in the order of the rows."""

    def __init__(self, to: Path, selection: Selection) -> None:
        names, subset = selection.names, selection.subset
        if subset.partition is not None:
            names = names[: names.index(subset.partition) + 1]
        self._selection = selection
        self._folder = to / "partitions"
        self._lists = {name: _IdList(self._folder / f"{name}.json", name) for name in names}
        self._held = {split: _IdList(to / "splits" / f"chat-{split}.json", f"chat-{split}") for split in HELD_OUT}
        self._from = [[self._lists[n] for n in names[i:]] for i in range(len(names) + 1)]

    def add(self, row: Mapping[str, Any]) -> int:
        """One row; gives its place in `selection.names`."""
        entry = (row["id"], row["language"], round(row["seconds"] * 1_000_000), voices_of(row))
        level = self._selection.level(row)
        for one in [self._held[row["split"]]] if row["split"] != "train" else self._from[level]:
            one.append(*entry)
        return level

    def close(self) -> dict[str, dict[str, Any]]:
        """Ends the files and removes those of other partitions; gives the partitions' figures."""
        for one in self._held.values():
            one.close({})
        figures, subset = {}, self._selection.subset
        for name, one in self._lists.items():
            content = self._selection.plan.contents[name]
            shown = {"target": subset.languages(content.target), "excess": subset.languages(content.excess)}
            figures[name] = one.close(shown if subset.language else {**shown, "digest": content.digest})
        _remove_other(self._folder, {one.path for one in self._lists.values()})
        return figures


class _IdList:
    """A JSON object of `name`, `ids` (streamed, one a line) and the figures of the dialogues that went in."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._file = self._part.open("w", encoding="utf-8", newline="\n")
        self._file.write(f'{{"name": {json.dumps(name)}, "ids": [')
        self._name, self._dialogues, self._micros, self._speakers = name, Counter(), Counter(), set()

    def append(self, dialogue_id: str, language: str, micros: int, voices: tuple[str, str]) -> None:
        """One dialogue; its id is a safe name, so it needs no escaping."""
        self._file.write((',\n"' if self._dialogues else '\n"') + dialogue_id + '"')
        self._dialogues[language] += 1
        self._micros[language] += micros
        self._speakers.update(voices)

    def close(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """Ends the file and puts it in place; gives its figures."""
        hours = {k: round(v / 3.6e9, 6) for k, v in sorted(self._micros.items())}
        figures = {"dialogues": dict(sorted(self._dialogues.items())), "hours": hours, "speakers": len(self._speakers)}
        figures |= more
        with self._file as file:
            file.write("\n], " + json.dumps(figures)[1:] + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._part.replace(self.path)
        return {"name": self._name, **figures}


def _remove_other(folder: Path, wanted: set[Path]) -> None:
    """Lists of partitions that an earlier export had and this one has not."""
    for path in set(folder.glob("*.json")) - wanted:
        head = '{"name": ' + json.dumps(path.stem) + ', "ids": ['
        with path.open(encoding="utf-8") as file:
            ours = file.read(len(head)) == head
        if ours:
            path.unlink()
