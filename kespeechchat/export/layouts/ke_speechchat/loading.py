"""`train.jsonl`, `dev.jsonl`, `test.jsonl`: the same dialogues as `datasets.load_dataset` reads them.

Its reader of audio folders (`AudioFolder`) takes a column `X_file_name` for the path of an audio column `X`, below the
folder of the list. It recognizes an audio folder by its audio files, so the card names those of one dialogue beside
each list; all others it finds by the lists. It cannot read the metadata.json, whose `speaker` has a key for each
voice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

import pyarrow as pa

from kespeechchat.dataset.hub import DataFiles
from kespeechchat.dataset.metadata import CHANNELS, audio_name
from kespeechchat.dataset.places import Place
from kespeechchat.export.dialogues import facts_of
from kespeechchat.records import Split
from kespeechchat.rows import FinishedRow
from kespeechchat.whole_file import whole_file

SPLITS: tuple[Split, ...] = ("train", "dev", "test")


def list_line(
    row: FinishedRow,
    partition: str | None,
    genders: Mapping[str, str],
    audio_folder: str | None,
    places: Sequence[Place] | None = None,
) -> Mapping[str, object]:
    """A line of a split's list: the first exchange, with `places` what is heard of it. `audio_folder`: what precedes
    its paths below `audio/`; None without audio.

    Held-out dialogues have the partition "", because `datasets` wants strings in each split where one has them.
    """
    facts = facts_of(row, partition or "", genders, places)
    if audio_folder is None:
        return facts
    files = {f"{r}_file_name": f"audio/{audio_folder}{audio_name(row['id'], c)}" for r, c in CHANNELS.items()}
    return {**facts, **files}


class SplitLists:
    """A context that writes the lists. A split without dialogues has none."""

    def __init__(self, to: Path) -> None:
        self._to, self._stack = to, ExitStack()
        self._files: dict[Split, IO[bytes]] = {}

    def __enter__(self) -> SplitLists:
        return self

    def extend(self, lines: Mapping[Split, bytes | pa.Buffer]) -> None:
        """Adds JSON lines to the lists of their splits."""
        for split, some in lines.items():
            if len(some):
                self._file(split).write(some)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if kind is None:
            for split in set(SPLITS) - set(self._files):
                (self._to / f"{split}.jsonl").unlink(missing_ok=True)

    def _file(self, split: Split) -> IO[bytes]:
        if split not in self._files:
            self._files[split] = self._stack.enter_context(whole_file(self._to / f"{split}.jsonl"))
        return self._files[split]


def data_files(examples: Mapping[Split, str], audio: bool) -> DataFiles:
    """For the card. `examples`: the folder of one dialogue's audio in each split that has dialogues, below `audio/`."""
    return [
        {"split": s, "path": [f"{s}.jsonl", f"audio/{examples[s]}/*_mark.wav"] if audio else f"{s}.jsonl"}
        for s in SPLITS
        if s in examples
    ]


def options(audio: bool) -> Mapping[str, object]:
    """For the card: how the reader of audio folders must read these."""
    return {"metadata_filenames": [f"{s}.jsonl" for s in SPLITS], "drop_labels": True} if audio else {}
