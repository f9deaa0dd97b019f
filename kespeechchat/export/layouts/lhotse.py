"""Lhotse Shar: `SPLIT/cuts.NNNNNN.jsonl.gz` beside `SPLIT/recording.NNNNNN.tar`, written without lhotse itself.

    lhotse.CutSet.from_shar(in_dir="FOLDER/train")

A dialogue is one MultiCut of two channels (user 0, agent 1) with a supervision a turn, so `trim_to_supervisions()`
gives the turns as cuts of their own. What the supervisions do not hold is in the cut's `custom`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.metadata import CHANNELS
from kespeechchat.export.audio_files import Speech, channel_of, encoded, samples_of, two_channels
from kespeechchat.export.dialogues import Dialogues, Facts
from kespeechchat.export.folder import Done, ExportFolder, write_shards
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.tar import PlainTar
from kespeechchat.records import Role
from kespeechchat.rows import FinishedRow

Speakers = Literal["voice", "role"]
_LANGUAGES = {"zh": "Chinese", "en": "English"}  # lhotse's recipes name languages so


@dataclass(frozen=True)
class Lhotse:
    """`left`: who has channel 0; `speakers`: whether a supervision's speaker is the voice or the role; `per_shard`:
    dialogues of a shard, some 600 MB of FLAC."""

    name: ClassVar[str] = "lhotse"
    writes: ClassVar[str] = (
        "SPLIT/cuts.NNNNNN.jsonl.gz and SPLIT/recording.NNNNNN.tar: a MultiCut of two channels a dialogue"
    )
    read_by: ClassVar[str] = 'lhotse.CutSet.from_shar(in_dir="FOLDER/train")'
    loadable: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 0
    text_bytes: ClassVar[int] = 2600  # tar pads

    left: Role = "user"
    speakers: Speakers = "voice"
    per_shard: int = 1000

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """The silent channel costs nothing in FLAC."""
        return rates.flac

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`, cuts alone without audio; raises ExportError also where sample rates differ."""
        audio, rate = dialogues.audio, dialogues.selection.rate()
        named = {"left": self.left, "speakers": self.speakers}
        options = {"audio": audio, "per_shard": self.per_shard, **named, "version": 2}
        ours = r"(?:train|dev|test)/(?:cuts\.\d{6}\.jsonl\.gz|recording\.\d{6}\.tar)"
        folder = ExportFolder(to, self.name, ours, dialogues, options)

        def names(split: str, i: int) -> tuple[str, ...]:
            cuts = f"{split}/cuts.{i:06d}.jsonl.gz"
            return (f"{split}/recording.{i:06d}.tar", cuts) if audio else (cuts,)

        write_shards(folder, dialogues, self.per_shard, names, lambda parts: _Writer(parts, rate, dialogues, self))
        return Done(len(dialogues), folder.written, folder.kept)


class _Writer:
    def __init__(self, parts: list[Path], rate: int, dialogues: Dialogues, layout: Lhotse) -> None:
        self._tar = PlainTar(parts[0]) if len(parts) > 1 else None
        self._raw = parts[-1].open("wb")
        self._cuts = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0)
        self._rate, self._dialogues, self._layout = rate, dialogues, layout

    def add(self, row: FinishedRow, speech: Speech) -> None:
        self._cuts.write(_line(cut(row, self._rate, self._dialogues.facts(row), self._layout)))
        if self._tar is not None:
            self._tar.add(f"{row['id']}.flac", encoded(two_channels(row, speech, self._layout.left), self._rate))
            self._tar.add(f"{row['id']}.json", _line(recording(row, self._rate)))

    def close(self) -> None:
        self._cuts.close()
        self._raw.close()
        if self._tar is not None:
            self._tar.close()


def _line(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n").encode()


def recording(row: FinishedRow, rate: int) -> dict[str, Any]:
    """A lhotse Recording whose samples are beside it in the shard."""
    samples, channels = sum(map(samples_of, row["turns"])), list(CHANNELS.values())
    return {
        "id": row["id"],
        "sources": [{"type": "shar", "channels": channels, "source": ""}],
        "sampling_rate": rate,
        "num_samples": samples,
        "duration": samples / rate,
        "channel_ids": channels,
    }


def cut(row: FinishedRow, rate: int, facts: Facts, layout: Lhotse) -> dict[str, Any]:
    """A lhotse MultiCut with a supervision a turn. `facts`: what layouts say of it."""
    supervisions: list[dict[str, Any]] = []
    clock = 0
    for turn in row["turns"]:
        samples, role = samples_of(turn), turn["role"]
        supervisions.append(
            {
                "id": f"{row['id']}-{role}",
                "recording_id": row["id"],
                "start": clock / rate,
                "duration": samples / rate,
                "channel": [channel_of(role, layout.left)],
                "text": turn["text"],
                "language": _LANGUAGES[row["language"]],
                "speaker": turn["voice"] if layout.speakers == "voice" else role,
                "gender": facts["user_gender"] if role == "user" else facts["agent_gender"],
                "custom": {"role": role, "voice": turn["voice"]},
            }
        )
        clock += samples
    custom = {
        "split": facts["split"],
        "partition": facts["partition"],
        "metric": facts["metric"],
        "error_rate": facts["error_rate"],
    }
    return {
        "id": row["id"],
        "start": 0,
        "duration": clock / rate,
        "channel": list(CHANNELS.values()),
        "supervisions": supervisions,
        "custom": custom,
        "type": "MultiCut",
    }
