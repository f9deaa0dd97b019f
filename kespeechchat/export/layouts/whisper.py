"""The paper's ASR subset (KeASR) as the JSON lines that Whisper-Finetune reads: one user utterance a line.

    {"audio": {"path": "audio/ID.flac"}, "sentence": …, "sentences": [{"start": 0, "end": 2.5, "text": …}],
     "language": "Chinese", "duration": 2.5}

`train.jsonl` and `test.jsonl`. The reader opens the paths from the folder that it runs in, and skips what is shorter
than 0.5 s or longer than 30 s. The subset is chosen from the whole build; `--partition` and `--language` take of it.

Source of the schema: yeyupiaoling/Whisper-Finetune, utils/reader.py at 078985723f43ec779faec0dc19f606e4d1b9d02d.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.metadata import SECONDS_DIGITS
from kespeechchat.display import counted
from kespeechchat.export.audio_files import MANY_FILES
from kespeechchat.export.audio_folder import AudioFolder
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.lists import json_line, split_files
from kespeechchat.export.subsets import asr_partition, asr_side
from kespeechchat.records import Role, Split
from kespeechchat.rows import FinishedRow

_OURS = r"audio/(?:[0-9a-f]{2}/)?[^/]+\.flac|(?:train|test)\.jsonl"
_LISTS: dict[Split, str] = {"train": "train.jsonl", "test": "test.jsonl"}
_LANGUAGES = {"zh": "Chinese", "en": "English"}


@dataclass(frozen=True)
class Whisper:
    """`fan_out_beyond`: dialogues that one folder may hold."""

    name: ClassVar[str] = "whisper"
    writes: ClassVar[str] = "train.jsonl, test.jsonl and audio/ID.flac: the user utterances of the ASR subset"
    read_by: ClassVar[str] = "Whisper-Finetune (`--train_data train.jsonl --test_data test.jsonl`)"
    loadable: ClassVar[bool] = False
    several: ClassVar[bool] = False
    side: ClassVar[Role] = "user"
    scene: ClassVar[str] = "asr"
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 1
    text_bytes: ClassVar[int] = 400

    fan_out_beyond: int = MANY_FILES

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """FLAC of the users alone."""
        return rates.flac * rates.user_share

    def share(self, dialogues: Dialogues, build: BuildFacts) -> float:
        """As `HoldsSome.share`: the partition that ASR trains on, and the test split."""
        selection = dialogues.selection
        name = asr_partition(selection.rule, build.subsets)
        if name is None or not len(dialogues):
            return 1.0
        trained = selection.subset.languages(selection.partitions.contents[name].dialogues)
        return min(1.0, (sum(trained.values()) + selection.splits["test"]) / len(dialogues))

    def sides(self, dialogues: Dialogues, build: BuildFacts) -> Callable[[FinishedRow], Sequence[Role]]:
        """As `WritesSome.sides`: the user's of dialogues in the ASR subset."""
        side_of = asr_side(dialogues, build)
        return lambda row: () if side_of(row) is None else (self.side,)

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`; the lists alone without audio. `Done.dialogues` are those in the subset."""
        fan_out = len(dialogues) > self.fan_out_beyond
        settings = build.subsets.model_dump(mode="json")
        options = {"audio": dialogues.audio, "fan_out": fan_out, "subset": settings, "version": 1}
        folder = ExportFolder(to, self.name, _OURS, dialogues, options)
        files, side_of, written = AudioFolder(folder, dialogues, fan_out), asr_side(dialogues, build), 0
        with split_files(folder, _LISTS) as lists:
            for row in dialogues:
                if (side := side_of(row)) is None:
                    continue
                lists[side].write(json_line(_line(row, files.user(row))))
                written += 1
        note = f"{written:,} of {counted(len(dialogues), 'dialogue')} in the ASR subset"
        return folder.done(written, note)


def _line(row: FinishedRow, name: str) -> dict[str, object]:
    """The user's utterance as a line."""
    user = row["turns"][0]
    seconds = round(user["seconds"], SECONDS_DIGITS)
    return {
        "audio": {"path": name},
        "sentence": user["text"],
        "sentences": [{"start": 0, "end": seconds, "text": user["text"]}],
        "language": _LANGUAGES[row["language"]],
        "duration": seconds,
    }
