"""Lhotse Shar: `SPLIT/cuts.NNNNNN.jsonl.gz` beside `SPLIT/recording.NNNNNN.tar`, written without lhotse itself.

    lhotse.CutSet.from_shar(in_dir="FOLDER/train")

A dialogue is one MultiCut of two channels (user 0, agent 1) with a supervision a turn, so `trim_to_supervisions()`
gives the turns as cuts of their own. What the supervisions do not hold stands in the cut's `custom`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kespeechchat.dataset.metadata import CHANNELS
from kespeechchat.export.dialogues import Dialogues, samples_of
from kespeechchat.export.folder import Done, ExportFolder, write_shards
from kespeechchat.export.stereo import encoded, joined
from kespeechchat.export.tar import PlainTar

PER_SHARD = 1000  # dialogues: some 600 MB of FLAC
_LANGUAGES = {"zh": "Chinese", "en": "English"}  # lhotse's recipes name languages so


def export(dialogues: Dialogues, to: Path, *, per_shard: int = PER_SHARD) -> Done:
    """Writes below `to`; cuts alone in an export without audio. Raises ExportError for audio that does not fit its row,
    and where sample rates differ."""
    audio, rate = dialogues.audio, dialogues.selection.rate()
    options = {"audio": audio, "per_shard": per_shard, "version": 1}
    ours = r"(?:train|dev|test)/(?:cuts\.\d{6}\.jsonl\.gz|recording\.\d{6}\.tar)"
    folder = ExportFolder(to, "lhotse", ours, dialogues, options)

    def names(split: str, i: int) -> tuple[str, ...]:
        cuts = f"{split}/cuts.{i:06d}.jsonl.gz"
        return (f"{split}/recording.{i:06d}.tar", cuts) if audio else (cuts,)

    write_shards(folder, dialogues, per_shard, names, lambda parts: _Writer(parts, rate, dialogues))
    return Done(len(dialogues), folder.written, folder.kept)


class _Writer:
    def __init__(self, parts: list[Path], rate: int, dialogues: Dialogues) -> None:
        self._tar = PlainTar(parts[0]) if len(parts) > 1 else None
        self._raw = parts[-1].open("wb")
        self._cuts = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0)
        self._rate, self._dialogues = rate, dialogues

    def add(self, row: Mapping[str, Any], speech: Mapping[str, bytes]) -> None:
        self._cuts.write(_line(cut(row, self._rate, self._dialogues.facts(row))))
        if self._tar is not None:
            self._tar.add(f"{row['id']}.flac", encoded(joined(row, speech), self._rate))
            self._tar.add(f"{row['id']}.json", _line(recording(row, self._rate)))

    def close(self) -> None:
        self._cuts.close()
        self._raw.close()
        if self._tar is not None:
            self._tar.close()


def _line(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n").encode()


def recording(row: Mapping[str, Any], rate: int) -> dict[str, Any]:
    """A lhotse Recording whose samples lie beside it in the shard."""
    samples, channels = sum(map(samples_of, row["turns"])), list(CHANNELS.values())
    return {
        "id": row["id"],
        "sources": [{"type": "shar", "channels": channels, "source": ""}],
        "sampling_rate": rate,
        "num_samples": samples,
        "duration": samples / rate,
        "channel_ids": channels,
    }


def cut(row: Mapping[str, Any], rate: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """A lhotse MultiCut with a supervision a turn. `said`: the dialogue's facts."""
    supervisions, clock = [], 0
    for turn in row["turns"]:
        samples, role = samples_of(turn), turn["role"]
        supervisions.append(
            {
                "id": f"{row['id']}-{role}",
                "recording_id": row["id"],
                "start": clock / rate,
                "duration": samples / rate,
                "channel": [CHANNELS[role]],
                "text": turn["text"],
                "language": _LANGUAGES[row["language"]],
                "speaker": turn["voice"],
                "gender": said[f"{role}_gender"],
                "custom": {"role": role},
            }
        )
        clock += samples
    custom = {k: said[k] for k in ("split", "partition", "metric", "error_rate")}
    return {
        "id": row["id"],
        "start": 0,
        "duration": clock / rate,
        "channel": list(CHANNELS.values()),
        "supervisions": supervisions,
        "custom": custom,
        "type": "MultiCut",
    }
