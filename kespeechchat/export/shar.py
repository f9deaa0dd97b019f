"""Lhotse Shar, written without lhotse itself: `SPLIT/cuts.NNNNNN.jsonl.gz`, and a tar beside it for each audio field.

A tar has `ID.flac` and `ID.json` (the recording) for each cut, in the order of the cuts.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kespeechchat.dataset.backchannels import Backchannel
from kespeechchat.dataset.places import Place
from kespeechchat.dataset.timeline import length_of
from kespeechchat.export.audio_files import Speech, encoded
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import ExportFolder, write_shards
from kespeechchat.export.lists import json_line
from kespeechchat.export.tar import PlainTar
from kespeechchat.records import turn_names
from kespeechchat.rows import FinishedRow, FinishedTurn


@dataclass(frozen=True)
class Shar:
    """How a layout fills its shards. `fields`: the names of its audio fields, in the order of their tars.

    `cut(row)` is the dialogue's cut; `places(row)` its timeline; `samples(row, speech)` gives, for each field, int16
    [T] or [T, C] at `rate` Hz.
    """

    fields: Sequence[str]
    rate: int
    cut: Callable[[FinishedRow], Mapping[str, Any]]
    places: Callable[[FinishedRow], Sequence[Place]]
    samples: Callable[[FinishedRow, Speech], Mapping[str, Any]]

    def names(self, split: str, number: int, audio: bool) -> tuple[str, ...]:
        """A shard's files, its cuts last."""
        tars = [f"{split}/{field}.{number:06d}.tar" for field in self.fields] if audio else []
        return (*tars, f"{split}/cuts.{number:06d}.jsonl.gz")

    def write(self, folder: ExportFolder, dialogues: Dialogues, per_shard: int) -> None:
        """Writes all shards: cuts alone where the export has no audio."""
        write_shards(
            folder,
            dialogues,
            per_shard,
            lambda split, number: self.names(split, number, dialogues.audio),
            lambda parts: _Writer(self, parts),
        )


class _Writer:
    """Writes one shard: its tars, in the order of the fields, and its cuts."""

    def __init__(self, shar: Shar, parts: list[Path]) -> None:
        self._shar = shar
        self._tars = dict(zip(shar.fields, map(PlainTar, parts[:-1]), strict=False))
        self._raw = parts[-1].open("wb")
        self._cuts = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0)

    def add(self, row: FinishedRow, speech: Speech) -> None:
        self._cuts.write(json_line(self._shar.cut(row)).encode())
        if not self._tars:
            return
        for field, samples in self._shar.samples(row, speech).items():
            channels = range(1 if samples.ndim == 1 else samples.shape[1])
            of_row = recording(row, self._shar.places(row), self._shar.rate, list(channels))
            self._tars[field].add(f"{row['id']}.flac", encoded(samples, self._shar.rate))
            self._tars[field].add(f"{row['id']}.json", json_line(of_row).encode())

    def close(self) -> None:
        self._cuts.close()
        self._raw.close()
        for tar in self._tars.values():
            tar.close()


def recording(row: FinishedRow, places: Sequence[Place], rate: int, channels: list[int]) -> dict[str, Any]:
    """A lhotse Recording as long as the dialogue, whose samples are beside it in the shard."""
    samples = length_of(places)
    return {
        "id": row["id"],
        "sources": [{"type": "shar", "channels": channels, "source": ""}],
        "sampling_rate": rate,
        "num_samples": samples,
        "duration": samples / rate,
        "channel_ids": channels,
    }


def cut(
    row: FinishedRow,
    places: Sequence[Place],
    rate: int,
    channels: int | list[int],
    of_turn: Callable[[FinishedTurn], Mapping[str, Any]],
    custom: Mapping[str, Any],
    said: Sequence[Backchannel] = (),
) -> dict[str, Any]:
    """A lhotse cut with a supervision for each turn at its place: a MultiCut where `channels` is a list, else a
    MonoCut. `of_turn`: what a supervision has beside its time and text (`channel`, `language`, `speaker`, …). Those of
    backchannels (`said`), which are spoken plainly, come behind; `custom.backchannel_in` is the index of the turn that
    they lie in."""
    names = turn_names(turn["role"] for turn in row["turns"])
    supervisions = [
        {
            "id": f"{row['id']}-{name}",
            "recording_id": row["id"],
            "start": place.start / rate,
            "duration": place.samples / rate,
            "text": place.text,
            **of_turn(turn),
        }
        for name, turn, place in zip(names, row["turns"], places, strict=True)
    ]
    for one in said:
        own = dict(of_turn(row["turns"][one.role == "agent"]))
        supervisions.append(
            {
                "id": f"{row['id']}-{one.name}",
                "recording_id": row["id"],
                "start": one.start / rate,
                "duration": one.samples / rate,
                "text": one.text,
                **own,
                "custom": {k: v for k, v in own["custom"].items() if k != "manner"} | {"backchannel_in": one.turn},
            }
        )
    return {
        "id": row["id"],
        "start": 0,
        "duration": length_of(places) / rate,
        "channel": channels,
        "supervisions": supervisions,
        "custom": custom,
        "type": "MultiCut" if isinstance(channels, list) else "MonoCut",
    }
