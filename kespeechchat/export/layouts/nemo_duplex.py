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

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.audio_files import Speech, channel_of, two_channels
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.shar import Shar, cut
from kespeechchat.records import Role
from kespeechchat.rows import FinishedRow, FinishedTurn

_OURS = r"(?:train|dev|test)/(?:cuts\.\d{6}\.jsonl\.gz|(?:recording|target_audio)\.\d{6}\.tar)"
_FIELDS: dict[str, Role] = {"recording": "user", "target_audio": "agent"}


@dataclass(frozen=True)
class NemoDuplex:
    """`per_shard`: dialogues of a shard, some 600 MB of FLAC."""

    name: ClassVar[str] = "nemo-duplex"
    writes: ClassVar[str] = "SPLIT/cuts.NNNNNN.jsonl.gz, recording.NNNNNN.tar (user), target_audio.NNNNNN.tar (agent)"
    read_by: ClassVar[str] = "NeMo's DuplexS2SDataset (`shar_path: FOLDER/train`)"
    loadable: ClassVar[bool] = False
    several: ClassVar[bool] = True
    backchannels: ClassVar[bool] = True
    whole_channels: ClassVar[bool] = True
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 0
    text_bytes: ClassVar[int] = 5000  # two tars pad

    per_shard: int = 1000

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """Silence costs nothing in FLAC."""
        return rates.flac

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`, cuts alone without audio; raises ExportError also where sample rates differ."""
        rate = dialogues.selection.rate()
        options = {"audio": dialogues.audio, "per_shard": self.per_shard, "version": 2}
        folder = ExportFolder(to, self.name, _OURS, dialogues, options)
        shar = Shar(
            tuple(_FIELDS), rate, lambda row: _cut(row, rate, dialogues), dialogues.places, partial(_sides, dialogues)
        )
        shar.write(folder, dialogues, self.per_shard)
        return folder.done(len(dialogues))


def _sides(dialogues: Dialogues, row: FinishedRow, speech: Speech) -> dict[str, Any]:
    """int16 [T] of each field."""
    places = dialogues.places(row)
    sides = two_channels(row, speech, places, backchannels=dialogues.backchannels(row, places))
    return {field: sides[:, channel_of(role)] for field, role in _FIELDS.items()}


def _cut(row: FinishedRow, rate: int, dialogues: Dialogues) -> dict[str, Any]:
    """A MonoCut whose supervisions have the role as their speaker."""
    facts = dialogues.facts(row)

    def of_turn(turn: FinishedTurn) -> dict[str, Any]:
        voice = {"voice": turn["voice"]}
        return {"channel": 0, "language": row["language"], "speaker": turn["role"], "custom": voice}

    custom = {"split": facts["split"], "partition": facts["partition"], "language": facts["language"]}
    places = dialogues.places(row)
    return cut(row, places, rate, 0, of_turn, custom, dialogues.backchannels(row, places))
