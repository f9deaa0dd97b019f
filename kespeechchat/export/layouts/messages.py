"""Chat messages with audio, one JSON object a line, as ms-swift and LLaMA-Factory read them.

The user speaks: `messages` has `<audio>` in the user's place and the assistant's text, `audios` has the user's file;
of several exchanges one file for each (`audio/ID.flac`, `audio/ID.user2.flac`, …).

    {"id": …, "messages": [{"role": "user", "content": "<audio>"}, {"role": "assistant", "content": …}],
     "audios": ["audio/ID.flac"]}

`dataset_info.json` registers the lists with LLaMA-Factory (`--dataset_dir FOLDER --dataset kespeechchat_train`), which
looks for audio below the dataset's folder. ms-swift looks below the folder that it runs in, so run it in FOLDER:
`swift sft --dataset train.jsonl`. In an export without audio the user's content is the text.

Sources of the schema: modelscope/ms-swift, docs/source_en/Customization/Custom-dataset.md at
025fc6b85ba9e026460d27286b6dc27b2a2cf155; hiyouga/LLaMA-Factory, data/mllm_audio_demo.json at
6967e413ccfa3f789adaabb3377d9ca6ec67e3c7 and data/README.md at 015ff251ec0a8b5ca0aac9a8fb5735aa17f59868.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.audio_files import MANY_FILES
from kespeechchat.export.audio_folder import AudioFolder
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.lists import SPLITS, json_line, split_files
from kespeechchat.records import Role, Split
from kespeechchat.rows import FinishedRow

_OURS = r"audio/(?:[0-9a-f]{2}/)?[^/]+\.flac|(?:train|dev|test)\.jsonl|dataset_info\.json"
_PLACEHOLDER = "<audio>"


@dataclass(frozen=True)
class Messages:
    """`fan_out_beyond`: dialogues that one folder may hold."""

    name: ClassVar[str] = "messages"
    writes: ClassVar[str] = "SPLIT.jsonl with messages and audios, audio/ID.flac (users), dataset_info.json"
    read_by: ClassVar[str] = "ms-swift (`--dataset train.jsonl`), LLaMA-Factory (`--dataset kespeechchat_train`)"
    loadable: ClassVar[bool] = False
    several: ClassVar[bool] = True
    side: ClassVar[Role] = "user"
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 1
    text_bytes: ClassVar[int] = 400

    fan_out_beyond: int = MANY_FILES

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """FLAC of the users alone."""
        return rates.flac * rates.user_share

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`; the user's text takes the place of the audio where there is none."""
        fan_out = len(dialogues) > self.fan_out_beyond
        options = {"audio": dialogues.audio, "fan_out": fan_out, "version": 1}
        folder = ExportFolder(to, self.name, _OURS, dialogues, options)
        files, found = AudioFolder(folder, dialogues, fan_out), set[Split]()
        with split_files(folder, {split: f"{split}.jsonl" for split in SPLITS}) as lists:
            for row in dialogues:
                found.add(row["split"])
                lists[row["split"]].write(json_line(_line(row, files.users(row) if dialogues.audio else None)))
        folder.write("dataset_info.json", _dataset_info(found, dialogues.audio))
        return folder.done(len(dialogues))


def _line(row: FinishedRow, audios: list[str] | None) -> dict[str, object]:
    """A dialogue's line. `audios`: the user's files; None where the user's texts take their place."""
    messages = [
        {"role": "assistant", "content": turn["text"]}
        if turn["role"] == "agent"
        else {"role": "user", "content": turn["text"] if audios is None else _PLACEHOLDER}
        for turn in row["turns"]
    ]
    return {"id": row["id"], "messages": messages, **({} if audios is None else {"audios": audios})}


def _dataset_info(splits: Collection[Split], audio: bool) -> bytes:
    """LLaMA-Factory's register of the lists that have a line."""
    columns = {"messages": "messages", **({"audios": "audios"} if audio else {})}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    info = {
        f"kespeechchat_{split}": {
            "file_name": f"{split}.jsonl",
            "formatting": "sharegpt",
            "columns": columns,
            "tags": tags,
        }
        for split in SPLITS
        if split in splits
    }
    return (json.dumps(info, indent=2) + "\n").encode()
