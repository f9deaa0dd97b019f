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
from kespeechchat.export.facts import facts
from kespeechchat.export.folder import Done, ExportFolder, samples_of, write_shards
from kespeechchat.export.selection import ReadAudio, Selection
from kespeechchat.export.stereo import encoded, joined
from kespeechchat.export.tar import PlainTar

PER_SHARD = 1000  # dialogues: some 600 MB of FLAC
_LANGUAGES = {"zh": "Chinese", "en": "English"}  # lhotse's recipes name languages so


def export(
    selection: Selection,
    read_audio: ReadAudio | None,
    to: Path,
    *,
    genders: Mapping[str, str],
    content: str = "",
    per_shard: int = PER_SHARD,
) -> Done:
    """Writes `selection` below `to`; cuts alone where `read_audio` is None. Raises ExportError for audio that does not
    fit its row, and where sample rates differ."""
    audio, rate = read_audio is not None, selection.rate()
    options = {"audio": audio, "per_shard": per_shard, "version": 1}
    ours = r"(?:train|dev|test)/(?:cuts\.\d{6}\.jsonl\.gz|recording\.\d{6}\.tar)"
    folder = ExportFolder(to, "lhotse", ours, selection, content, options)

    def names(split: str, i: int) -> tuple[str, ...]:
        cuts = f"{split}/cuts.{i:06d}.jsonl.gz"
        return (f"{split}/recording.{i:06d}.tar", cuts) if audio else (cuts,)

    write_shards(
        folder, selection, read_audio, per_shard, names, lambda parts: _Writer(parts, rate, selection, genders)
    )
    return Done(selection.dialogues, folder.written, folder.kept)


class _Writer:
    def __init__(self, parts: list[Path], rate: int, selection: Selection, genders: Mapping[str, str]) -> None:
        self._tar = PlainTar(parts[0]) if len(parts) > 1 else None
        self._raw = parts[-1].open("wb")
        self._cuts = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0)
        self._rate, self._selection, self._genders = rate, selection, genders

    def add(self, row: Mapping[str, Any], speech: Mapping[str, bytes]) -> None:
        self._cuts.write(_line(cut(row, self._rate, facts(row, self._selection, self._genders))))
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
