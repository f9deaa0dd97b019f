"""`kesc export`: the gated dataset in a trainer's layout."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from kespeechchat.commands.release import read_release
from kespeechchat.commands.status import status
from kespeechchat.commands.summary import summary
from kespeechchat.commands.units import units_reader
from kespeechchat.config.dataset import ExportSettings
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.export import ke_speechchat
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done
from kespeechchat.export.selection import ReadAudio, Selection, Subset, select
from kespeechchat.export.wav_tree import ExportError
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.interface import ObjectStore

_SAMPLED = 8  # dialogues whose FLAC size an estimate rests on
_TEXT = 1500  # bytes of a dialogue's metadata, about


@dataclass(frozen=True)
class Wanted:
    """What the user asked for. `audio`: None for the layout's own rule (files of their own only up to a number)."""

    layout: str = "ke-speechchat"
    partition: str | None = None
    language: str | None = None
    release: str | None = None
    audio: bool | None = None


def export(
    pipeline: Pipeline, store: ObjectStore, to: str, wanted: Wanted, tell: Callable[[str], None] = lambda line: None
) -> str:
    """Writes the export and returns what to tell the user; `tell` gets the sizes before it starts. Raises ConfigError
    where it cannot be made as asked."""
    rows = FinishedRows(pipeline, store)
    release = read_release(store, wanted.release).cuts if wanted.release else None
    try:
        selection = select(
            rows,
            seed=pipeline.seed,
            partitions=pipeline.partitions,
            subset=Subset(wanted.partition, wanted.language),
            release=release,
        )
        made = _Export(rows, selection, None if wanted.audio is False else rows.audio, Path(to), wanted)
        tell(_sizes(made))
        lines = made.paper() if wanted.layout == "ke-speechchat" else made.other()
    except (ExportError, ValueError) as error:
        raise ConfigError(str(error)) from None
    return "\n".join(lines)


@dataclass(frozen=True)
class _Export:
    """What is exported, and where to; its methods write it and give the lines to tell the user."""

    rows: FinishedRows
    selection: Selection
    read_audio: ReadAudio | None
    folder: Path
    wanted: Wanted

    def paper(self) -> list[str]:
        rows, pipeline, folder = self.rows, self.rows.pipeline, self.folder
        voices, built = rows.voices(), status(pipeline, rows.store)
        out = {s["name"]: s["rejected"] for s in built["stages"] if s["rejected"] and pipeline.decides(s["name"])}
        report = ke_speechchat.export(
            self.selection,
            self.read_audio,
            folder,
            genders={v["id"]: v["gender"] for v in voices},
            settings=ExportSettings(
                audio=self.wanted.audio, watermark_threshold=pipeline.stages.gate.watermark_threshold
            ),
            subsets=pipeline.subsets,
            content=rows.content,
            parents={v["id"]: v["parents"] for v in voices},
            facts={
                "name": f"kespeechchat: {pipeline.name}",
                "licences": [licence.model_dump() for licence in pipeline.licences],
                "departures": [departure.model_dump() for departure in pipeline.departures],
                "watermark": pipeline.engine("watermark", pipeline.stages.watermark.watermark).use,
                "privacy": rows.privacy(),
                "rejected": out,
            },
            yields=built["stages"],
            rounds=built["rounds"],
        )
        first = next(iter(sorted((folder / "audio").rglob("*_mark.wav"))), None) if report.audio else None
        lines = [summary(pipeline, rows.store), "", f"export: {folder.resolve()} ({report.dialogues} dialogues)"]
        lines += [f"        OVERLAP: {overlap}" for overlap in report.overlaps]
        lines += _missing(rows)
        if first is not None:
            lines += [f"listen: any player, for example {first}", f"check:  kesc detect {first}"]
        return lines

    def other(self) -> list[str]:
        layout = import_module(f"kespeechchat.export.{self.wanted.layout.replace('-', '_')}")
        options: dict[str, Any] = {}
        if self.wanted.layout in ("stereo", "ke-omni"):
            options["settings"] = ExportSettings(audio=self.wanted.audio)
        if self.wanted.layout == "ke-omni":
            options["units"] = units_reader(self.rows.pipeline)
        genders = {v["id"]: v["gender"] for v in self.rows.voices()}
        dialogues = Dialogues(self.selection, self.read_audio, genders, self.rows.content)
        done: Done = layout.export(dialogues, self.folder, **options)
        kept = f", {done.kept} of an earlier run kept" if done.kept else ""
        told = f"export: {self.folder.resolve()} ({done.dialogues} dialogues, {done.written} files written{kept})"
        return [told, *(f"        {note}" for note in done.notes), *_missing(self.rows)]


def _missing(rows: FinishedRows) -> list[str]:
    found = f"{rows.missing} shards are not gated yet and not in it: `kesc status` tells which"
    return [f"        {found}"] if rows.missing else []


def _sizes(made: _Export) -> str:
    """How much the export is, before it starts. Its bytes are estimated: FLAC from the first dialogues' own."""
    selection = made.selection
    hours = ", ".join(f"{language} {h:,.2f} h" for language, h in selection.hours.items())
    size = _TEXT * selection.dialogues + round(3600 * sum(selection.hours.values()) * _rate(made))
    there = made.folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    short = f" — only {_bytes(free)} are free at {there}" if size > free else ""
    return f"{made.wanted.layout}: {selection.dialogues:,} dialogues, {hours or '0 h'}, about {_bytes(size)}{short}"


def _rate(made: _Export) -> float:
    """Bytes of audio that the layout writes, by second of dialogue."""
    selection, read_audio, layout = made.selection, made.read_audio, made.wanted.layout
    if read_audio is None or not selection.dialogues:
        return 0.0
    if layout == "ke-speechchat":
        return 2.0 * max(selection.rates)
    sampled = [(read_audio(row), row["seconds"]) for row in islice(selection, _SAMPLED)]
    flac = sum(len(data) for speech, _ in sampled for data in speech.values()) / sum(s for _, s in sampled)
    return flac * selection.user_share if layout == "ke-omni" else flac


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
