"""Lhotse Shar: `SPLIT/cuts.NNNNNN.jsonl.gz` beside `SPLIT/recording.NNNNNN.tar`, written without lhotse itself.

    lhotse.CutSet.from_shar(in_dir="FOLDER/train")

A dialogue is one MultiCut of two channels (user 0, agent 1) with a supervision a turn, so `trim_to_supervisions()`
gives the turns as cuts of their own. What the supervisions do not hold is in the cut's `custom`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.metadata import CHANNELS
from kespeechchat.export.audio_files import Speech, channel_of, two_channels
from kespeechchat.export.dialogues import Dialogues, manner_name
from kespeechchat.export.folder import Done, ExportFolder
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.shar import Shar, cut
from kespeechchat.records import Role
from kespeechchat.rows import FinishedRow, FinishedTurn

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
    several: ClassVar[bool] = True
    backchannels: ClassVar[bool] = True
    whole_channels: ClassVar[bool] = True
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
        options = {"audio": audio, "per_shard": self.per_shard, **named, "version": 3}
        ours = r"(?:train|dev|test)/(?:cuts\.\d{6}\.jsonl\.gz|recording\.\d{6}\.tar)"
        folder = ExportFolder(to, self.name, ours, dialogues, options)
        shar = Shar(
            ("recording",),
            rate,
            lambda row: _cut(row, rate, dialogues, self),
            dialogues.places,
            partial(self._recording, dialogues),
        )
        shar.write(folder, dialogues, self.per_shard)
        return folder.done(len(dialogues))

    def _recording(self, dialogues: Dialogues, row: FinishedRow, speech: Speech) -> dict[str, Any]:
        places = dialogues.places(row)
        return {"recording": two_channels(row, speech, places, self.left, dialogues.backchannels(row, places))}


def _cut(row: FinishedRow, rate: int, dialogues: Dialogues, layout: Lhotse) -> dict[str, Any]:
    """A MultiCut of both channels."""
    facts = dialogues.facts(row)

    def of_turn(turn: FinishedTurn) -> dict[str, Any]:
        role, manner = turn["role"], manner_name(turn)
        return {
            "channel": [channel_of(role, layout.left)],
            "language": _LANGUAGES[row["language"]],
            "speaker": turn["voice"] if layout.speakers == "voice" else role,
            "gender": facts["user_gender"] if role == "user" else facts["agent_gender"],
            "custom": {"role": role, "voice": turn["voice"], **({"manner": manner} if manner else {})},
        }

    custom = {
        "split": facts["split"],
        "partition": facts["partition"],
        "metric": facts["metric"],
        "error_rate": facts["error_rate"],
    }
    places = dialogues.places(row)
    said = dialogues.backchannels(row, places)
    return cut(row, places, rate, list(CHANNELS.values()), of_turn, custom, said)
