"""KE-Omni's two training stages (arXiv 2412.01078), as JSON lines.

Stage 1, understanding: `stage1/SPLIT.jsonl`, a line a dialogue: the user's audio (`audio/ID.flac`), the user's words in
`text`, the answer in `response`.

Stage 2, speaking, per agent: `stage2/AGENT/SPLIT-NNNNN.jsonl`, a line a dialogue: the answer's `text`, the `units` of
its speech, and `durations`: how many units each character of `text` lasts (they sum to the units; a token's are those
of its characters). `stage2/units.json` says how many different units there are, and how many a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.durations import character_frames
from kespeechchat.export.audio_files import MANY_FILES, Speech, as_audio, safe_name
from kespeechchat.export.audio_folder import AudioFolder
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder, write_shards
from kespeechchat.export.layout import AudioRates, Need, UnitReader
from kespeechchat.export.lists import SPLITS, json_line, split_files
from kespeechchat.records import Audio, RowError, Word
from kespeechchat.rows import FinishedRow
from kespeechchat.whole_file import write_json

_BATCH = 16  # utterances given to the engine at once
_NO_WORDS = "ROOT was measured before word times were stored; `kesc build` measures it again"
_OURS = (
    r"audio/(?:[0-9a-f]{2}/)?[^/]+\.flac|stage1/(?:train|dev|test)\.jsonl|"
    r"stage2/[^/]+/(?:train|dev|test)-\d{5}\.jsonl|stage2/units\.json"
)


@dataclass(frozen=True)
class KeOmni:
    """`units` makes stage 2; None: stage 1 alone. `per_shard`: dialogues of a stage 2 file; `fan_out_beyond`: dialogues
    that one folder may hold."""

    name: ClassVar[str] = "ke-omni"
    writes: ClassVar[str] = (
        "stage1/SPLIT.jsonl and audio/ID.flac (users); stage2/AGENT/SPLIT-NNNNN.jsonl with units and durations"
    )
    read_by: ClassVar[str] = "examples/train_ke_omni.py"
    loadable: ClassVar[bool] = False
    several: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset({"units"})
    files_per_dialogue: ClassVar[int] = 1
    text_bytes: ClassVar[int] = 1500

    units: UnitReader | None = None
    per_shard: int = 1000
    fan_out_beyond: int = MANY_FILES

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """FLAC of the users alone."""
        return rates.flac * rates.user_share

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`: stage 1, its texts alone without audio, and, where there are units and audio, stage 2."""
        fan_out, audio, units = len(dialogues) > self.fan_out_beyond, dialogues.audio, self.units
        made_with = dict(units.settings) if units is not None and audio else None
        options = {"audio": audio, "fan_out": fan_out, "per_shard": self.per_shard, "units": made_with, "version": 3}
        folder = ExportFolder(to, self.name, _OURS, dialogues, options)
        _stage1(folder, dialogues, fan_out)
        if units is None or not audio:
            why = "the profile names no unit engine (engines.units)" if units is None else "the export is without audio"
            return folder.done(len(dialogues), f"stage 1 alone: {why}")
        left_out = _stage2(folder, dialogues, units, self.per_shard)
        write_json(to / "stage2" / "units.json", {"units": units.size, "per_second": units.rate})
        notes = (f"{len(left_out)} answers have no units and are left out, e.g. {left_out[0]}",) if left_out else ()
        return folder.done(len(dialogues), *notes)


def _stage1(folder: ExportFolder, dialogues: Dialogues, fan_out: bool) -> None:
    files = AudioFolder(folder, dialogues, fan_out)
    with split_files(folder, {split: f"stage1/{split}.jsonl" for split in SPLITS}) as lists:
        for row in dialogues:
            sound = {"audio": files.user(row)} if dialogues.audio else {}
            lists[row["split"]].write(json_line({**_understanding(dialogues, row), **sound}))


def _understanding(dialogues: Dialogues, row: FinishedRow) -> dict[str, object]:
    """A line of stage 1, without its audio."""
    facts = dialogues.facts(row)
    return {
        "id": row["id"],
        "language": row["language"],
        "partition": facts["partition"],
        "text": facts["user_text"],
        "response": facts["agent_text"],
        "speaker": facts["user_voice"],
        "agent": facts["agent_voice"],
        "seconds": facts["user_seconds"],
    }


def _stage2(folder: ExportFolder, dialogues: Dialogues, units: UnitReader, per_shard: int) -> list[str]:
    """Writes the files of every agent; gives the dialogues that have no units, and why."""
    left_out: list[str] = []
    write_shards(
        folder,
        dialogues,
        per_shard,
        lambda group, i: (f"stage2/{group}-{i:05d}.jsonl",),
        lambda parts: _Stage2(parts[0], units, left_out),
        group=lambda row: f"{safe_name(row['turns'][1]['voice'])}/{row['split']}",
    )
    return left_out


class _Stage2:
    """Writes one file of stage 2. Rows wait until a batch is full."""

    def __init__(self, path: Path, units: UnitReader, left_out: list[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._units, self._left_out = units, left_out
        self._waiting: list[tuple[FinishedRow, Audio]] = []

    def add(self, row: FinishedRow, speech: Speech) -> None:
        if row["turns"][1].get("words") is None:
            self._left_out.append(f"{row['id']}: {_NO_WORDS}")
            return
        self._waiting.append((row, as_audio(speech["agent"])))
        if len(self._waiting) == _BATCH:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        rows, audios = [row for row, _ in self._waiting], [audio for _, audio in self._waiting]
        self._waiting = []
        for row, units in zip(rows, self._units.units(audios), strict=True):
            text = row["turns"][1]["text"]
            try:
                if isinstance(units, RowError):
                    raise ValueError(units.message)
                durations = character_frames(text, _words(row), len(units), self._units.rate)
            except ValueError as error:
                self._left_out.append(f"{row['id']}: {error}")
                continue
            line = {"id": row["id"], "language": row["language"], "text": text}
            self._file.write(json_line({**line, "units": units.tolist(), "durations": durations}))


def _words(row: FinishedRow) -> list[Word]:
    """What `measure` heard of the agent."""
    return [Word(w["text"], w["start"], w["end"]) for w in row["turns"][1].get("words") or ()]
