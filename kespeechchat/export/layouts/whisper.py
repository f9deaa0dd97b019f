"""The paper's ASR subset (KeASR) as the JSON lines that Whisper-Finetune reads: one user utterance a line.

    {"audio": {"path": "audio/ID.flac"}, "sentence": …, "sentences": [{"start": 0, "end": 2.5, "text": …}],
     "language": "Chinese", "duration": 2.5}

`train.jsonl` and `test.jsonl`. The reader opens the paths from the folder that it runs in, and skips what is shorter
than 0.5 s or longer than 30 s. The subset is chosen from the whole build; `--partition` and `--language` take of it.

Source of the schema: yeyupiaoling/Whisper-Finetune, utils/reader.py at 078985723f43ec779faec0dc19f606e4d1b9d02d.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kespeechchat.config.dataset import SubsetSettings
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.metadata import SECONDS_DIGITS
from kespeechchat.dataset.subsets import Subsets
from kespeechchat.export.audio_files import MANY_FILES, fan_out_folder
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.lists import json_line, split_files
from kespeechchat.export.selection import Rule
from kespeechchat.records import Split
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
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 1
    text_bytes: ClassVar[int] = 400

    fan_out_beyond: int = MANY_FILES

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """FLAC of the users alone, of the subset at most."""
        return rates.flac * rates.user_share

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`; the lists alone without audio. `Done.dialogues` are those in the subset."""
        fan_out = len(dialogues) > self.fan_out_beyond
        settings = build.subsets.model_dump(mode="json")
        options = {"audio": dialogues.audio, "fan_out": fan_out, "subset": settings, "version": 1}
        folder = ExportFolder(to, self.name, _OURS, dialogues, options)
        side_of, written = _chooser(dialogues, build), 0
        with split_files(folder, _LISTS) as lists:
            for row in dialogues:
                if (side := side_of(row)) is None:
                    continue
                name = f"audio/{fan_out_folder(row['id'], fan_out)}{row['id']}.flac"
                if dialogues.audio and not folder.has(name):
                    folder.write(name, dialogues.speech(row)["user"])
                lists[side].write(json_line(_line(row, name)))
                written += 1
        note = f"{written:,} of {len(dialogues):,} dialogues are in the ASR subset"
        return Done(written, folder.written, folder.kept, (note,))


def _chooser(dialogues: Dialogues, build: BuildFacts) -> Callable[[FinishedRow], Split | None]:
    """Reads all rows once; tells of a row on which side of the ASR subset its user's utterance is, None: on neither."""
    rule, settings = dialogues.selection.rule, build.subsets
    last = _last_level(rule, settings)
    first, again = Subsets(settings, rule.cuts.seed), Subsets(settings, rule.cuts.seed)
    for row in dialogues.selection.rows:
        first.add(row, rule.level(row) <= last)
    chosen = first.choose(build.parents)
    tests = {one.id.rpartition("_")[0] for one in chosen.asr_test}

    def side(row: FinishedRow) -> Split | None:
        if row["id"] in tests:
            return "test"
        one = again.add(row, rule.level(row) <= last) if row["split"] == "train" else None
        return "train" if one is not None and chosen.asr_trains(one) else None

    return side


def _last_level(rule: Rule, settings: SubsetSettings) -> int:
    """The largest level of the partition that ASR trains on; where there is none of that name, of all."""
    names, wanted = rule.cuts.names, settings.asr.partition
    return names.index(wanted) if wanted in names else len(names)


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
