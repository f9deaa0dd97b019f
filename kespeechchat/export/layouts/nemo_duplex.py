"""NeMo's duplex speech-to-speech data: Lhotse Shar with what the user says as the recording, the agent as its target.

    SPLIT/cuts.NNNNNN.jsonl.gz, SPLIT/recording.NNNNNN.tar (user), SPLIT/target_audio.NNNNNN.tar (agent)

A dialogue is a MonoCut. Recording and `target_audio` last as long as the dialogue, each silent while the other speaks.
A supervision a turn has the role as its speaker: `user` is NeMo's default input role, `agent` its default output role.
The voices are in the supervisions' `custom`.

    lhotse.CutSet.from_shar(in_dir="FOLDER/train")

Source of the schema: NVIDIA/NeMo, nemo/collections/speechlm2/data/s2s_dataset.py at
77fdbbc215395eabcdc24328959ed69d5b420083.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.audio_files import Speech, channel_of, encoded, samples_of, two_channels
from kespeechchat.export.dialogues import Dialogues, Facts
from kespeechchat.export.folder import Done, ExportFolder, write_shards
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.lists import json_line
from kespeechchat.export.tar import PlainTar
from kespeechchat.records import Role
from kespeechchat.rows import FinishedRow

_OURS = r"(?:train|dev|test)/(?:cuts\.\d{6}\.jsonl\.gz|(?:recording|target_audio)\.\d{6}\.tar)"
_FIELDS: dict[str, Role] = {"recording": "user", "target_audio": "agent"}


@dataclass(frozen=True)
class NemoDuplex:
    """`per_shard`: dialogues of a shard, some 600 MB of FLAC."""

    name: ClassVar[str] = "nemo-duplex"
    writes: ClassVar[str] = "SPLIT/cuts.NNNNNN.jsonl.gz, recording.NNNNNN.tar (user), target_audio.NNNNNN.tar (agent)"
    read_by: ClassVar[str] = "NeMo's DuplexS2SDataset (`shar_path: FOLDER/train`)"
    loadable: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 0
    text_bytes: ClassVar[int] = 5000  # two tars pad

    per_shard: int = 1000

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """Silence costs nothing in FLAC."""
        return rates.flac

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`, cuts alone without audio; raises ExportError also where sample rates differ."""
        audio, rate = dialogues.audio, dialogues.selection.rate()
        options = {"audio": audio, "per_shard": self.per_shard, "version": 1}
        folder = ExportFolder(to, self.name, _OURS, dialogues, options)

        def names(split: str, i: int) -> tuple[str, ...]:
            tars = [f"{split}/{field}.{i:06d}.tar" for field in _FIELDS] if audio else []
            return (*tars, f"{split}/cuts.{i:06d}.jsonl.gz")

        write_shards(folder, dialogues, self.per_shard, names, lambda parts: _Writer(parts, rate, dialogues))
        return Done(len(dialogues), folder.written, folder.kept)


class _Writer:
    """Writes a shard: its tars, in the order of `_FIELDS`, and its cuts."""

    def __init__(self, parts: list[Path], rate: int, dialogues: Dialogues) -> None:
        self._tars = dict(zip(_FIELDS, map(PlainTar, parts[:-1]), strict=False))
        self._raw = parts[-1].open("wb")
        self._cuts = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", mtime=0)
        self._rate, self._dialogues = rate, dialogues

    def add(self, row: FinishedRow, speech: Speech) -> None:
        """One more dialogue."""
        self._cuts.write(json_line(cut(row, self._rate, self._dialogues.facts(row))).encode())
        if not self._tars:
            return
        sides = two_channels(row, speech)
        for field, tar in self._tars.items():
            tar.add(f"{row['id']}.flac", encoded(sides[:, channel_of(_FIELDS[field])], self._rate))
            tar.add(f"{row['id']}.json", json_line(recording(row, self._rate)).encode())

    def close(self) -> None:
        """All dialogues are in."""
        self._cuts.close()
        self._raw.close()
        for tar in self._tars.values():
            tar.close()


def recording(row: FinishedRow, rate: int) -> dict[str, object]:
    """A lhotse Recording of one side, as long as the dialogue, whose samples are in the shard's tar."""
    samples = sum(map(samples_of, row["turns"]))
    return {
        "id": row["id"],
        "sources": [{"type": "shar", "channels": [0], "source": ""}],
        "sampling_rate": rate,
        "num_samples": samples,
        "duration": samples / rate,
    }


def cut(row: FinishedRow, rate: int, facts: Facts) -> dict[str, object]:
    """A lhotse MonoCut with a supervision a turn, whose speaker is the role. `facts`: what layouts say of it."""
    supervisions: list[dict[str, object]] = []
    clock = 0
    for turn in row["turns"]:
        samples, role = samples_of(turn), turn["role"]
        supervisions.append(
            {
                "id": f"{row['id']}-{role}",
                "recording_id": row["id"],
                "start": clock / rate,
                "duration": samples / rate,
                "channel": 0,
                "text": turn["text"],
                "language": row["language"],
                "speaker": role,
                "custom": {"voice": turn["voice"]},
            }
        )
        clock += samples
    custom = {"split": facts["split"], "partition": facts["partition"], "language": facts["language"]}
    return {
        "id": row["id"],
        "start": 0,
        "duration": clock / rate,
        "channel": 0,
        "supervisions": supervisions,
        "custom": custom,
        "type": "MonoCut",
    }
