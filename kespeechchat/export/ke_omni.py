"""KE-Omni's two training stages (arXiv 2412.01078), as JSON lines.

Stage 1, understanding: `stage1/SPLIT.jsonl`, a line a dialogue: the user's audio (`audio/ID.flac`), the user's words in
`text`, the answer in `response`.

Stage 2, speaking, per agent: `stage2/AGENT/SPLIT-NNNNN.jsonl`, a line a dialogue: the answer's `text`, the `units` of
its speech, and `durations`: how many units each character of `text` lasts (they sum to the units; a token's are those
of its characters). `stage2/units.json` says how many different units there are, and how many a second.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kespeechchat.config.dataset import ExportSettings
from kespeechchat.dataset.durations import character_frames
from kespeechchat.dataset.metadata import write_json
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder, write_shards
from kespeechchat.export.stereo import fan, many_files, write_file
from kespeechchat.export.wav_tree import safe_name
from kespeechchat.records import Audio, RowError, Word

PER_SHARD = 1000  # dialogues of a stage 2 file
_BATCH = 16  # utterances given to the engines at once
_SPLITS = ("train", "dev", "test")
_OURS = (
    r"audio/(?:[0-9a-f]{2}/)?[^/]+\.flac|stage1/(?:train|dev|test)\.jsonl|"
    r"stage2/[^/]+/(?:train|dev|test)-\d{5}\.jsonl|stage2/units\.json"
)


class UnitReader(Protocol):
    """Speech → units and words; `settings` is what they depend on."""

    rate: int
    size: int
    settings: Mapping[str, Any]

    def read(self, audios: Sequence[Audio], language: Any) -> list[tuple[np.ndarray, list[Word]] | RowError]: ...


def export(
    dialogues: Dialogues,
    to: Path,
    *,
    settings: ExportSettings | None = None,
    units: UnitReader | None = None,
    per_shard: int = PER_SHARD,
) -> Done:
    """Writes below `to`: stage 1 (its texts alone in an export without audio) and, where there are `units`
    and audio, stage 2. Raises ExportError as `stereo.export` does."""
    settings = settings or ExportSettings()
    many_files(dialogues, settings)
    fan_out, audio = len(dialogues) > settings.many, dialogues.audio
    second = dict(units.settings) if units is not None and audio else None
    options = {"audio": audio, "fan_out": fan_out, "per_shard": per_shard, "units": second, "version": 1}
    folder = ExportFolder(to, "ke-omni", _OURS, dialogues, options)
    _stage1(folder, dialogues, fan_out)
    if units is None or not audio:
        why = "the profile names no unit engine (engines.units)" if units is None else "the export is without audio"
        note = f"stage 1 alone: {why}"
        return Done(len(dialogues), folder.written, folder.kept, (note,))
    left_out: list[str] = []
    write_shards(
        folder,
        dialogues,
        per_shard,
        lambda group, i: (f"stage2/{group}-{i:05d}.jsonl",),
        lambda parts: _Stage2(parts[0], units, left_out),
        group=lambda row: f"{safe_name(row['turns'][1]['voice'])}/{row['split']}",
    )
    write_json(to / "stage2" / "units.json", {"units": units.size, "per_second": units.rate})
    notes = (f"{len(left_out)} answers have no units and are left out, e.g. {left_out[0]}",) if left_out else ()
    return Done(len(dialogues), folder.written, folder.kept, notes)


def _stage1(folder: ExportFolder, dialogues: Dialogues, fan_out: bool) -> None:
    names = [f"stage1/{split}.jsonl" for split in _SPLITS]
    files = {
        split: part.open("w", encoding="utf-8", newline="\n")
        for split, part in zip(_SPLITS, folder.parts(names), strict=True)
    }
    try:
        for row in dialogues:
            said = dialogues.facts(row)
            line = {
                "id": row["id"],
                "language": row["language"],
                "partition": said["partition"],
                "text": said["user_text"],
                "response": said["agent_text"],
                "speaker": said["user_voice"],
                "agent": said["agent_voice"],
                "seconds": said["user_seconds"],
            }
            if dialogues.audio:
                line["audio"] = f"audio/{fan(row['id'], fan_out)}{row['id']}.flac"
                if not folder.has(line["audio"]):
                    write_file(folder, line["audio"], dialogues.speech(row)["user"])
            files[row["split"]].write(_line(line))
    finally:
        for file in files.values():
            file.close()
    folder.publish(names)


class _Stage2:
    """Writes one file of stage 2. Rows wait until a batch of one language is full."""

    def __init__(self, path: Path, units: UnitReader, left_out: list[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._units, self._left_out = units, left_out
        self._waiting: list[tuple[Mapping[str, Any], Audio]] = []

    def add(self, row: Mapping[str, Any], speech: Mapping[str, bytes]) -> None:
        if self._waiting and self._waiting[0][0]["language"] != row["language"]:
            self._flush()
        self._waiting.append((row, _decoded(speech["agent"])))
        if len(self._waiting) == _BATCH:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        rows, audios = zip(*self._waiting, strict=True)
        self._waiting = []
        for row, found in zip(rows, self._units.read(audios, rows[0]["language"]), strict=True):
            text = row["turns"][1]["text"]
            try:
                if isinstance(found, RowError):
                    raise ValueError(found.message)
                units, words = found
                durations = character_frames(text, words, len(units), self._units.rate)
            except ValueError as error:
                self._left_out.append(f"{row['id']}: {error}")
                continue
            line = {"id": row["id"], "language": row["language"], "text": text}
            self._file.write(_line({**line, "units": units.tolist(), "durations": durations}))


def _decoded(flac: bytes) -> Audio:
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(flac), dtype="float32")
    return Audio(samples, rate)


def _line(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n"
