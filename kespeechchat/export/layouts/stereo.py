"""One two-channel file a dialogue: the user on the left, the agent on the right (or `left=agent`), each
turn at its place on the timeline.

`audio/ID.flac` (or .wav), 16 bit; folders fan out by a hash of the id where there are many. `dialogues.jsonl` has a
line for each dialogue: its file, its turns' times, texts and voices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from kespeechchat.dataset.backchannels import Backchannel
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.metadata import SECONDS_DIGITS, TIME_DIGITS
from kespeechchat.dataset.places import Place
from kespeechchat.dataset.timeline import length_of
from kespeechchat.export.audio_files import MANY_FILES, Container, Speech, encoded, two_channels
from kespeechchat.export.audio_folder import AudioFolder
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, ExportFolder
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.lists import json_line
from kespeechchat.records import Role
from kespeechchat.rows import FinishedRow

_LIST = "dialogues.jsonl"


@dataclass(frozen=True)
class Stereo:
    """`left`: who has the left channel; `container`: flac or wav; `fan_out_beyond`: dialogues that one folder may
    hold."""

    name: ClassVar[str] = "stereo"
    writes: ClassVar[str] = "audio/ID.flac, user left, agent right; dialogues.jsonl"
    read_by: ClassVar[str] = "anything"
    loadable: ClassVar[bool] = False
    several: ClassVar[bool] = True
    backchannels: ClassVar[bool] = True
    whole_channels: ClassVar[bool] = True
    needs: ClassVar[frozenset[Need]] = frozenset()
    files_per_dialogue: ClassVar[int] = 1
    text_bytes: ClassVar[int] = 700

    left: Role = "user"
    container: Container = "flac"
    fan_out_beyond: int = MANY_FILES

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """The silent channel costs nothing in FLAC, and as much as the other in WAV."""
        return rates.flac if self.container == "flac" else 2 * rates.pcm

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`; raises ExportError also where sample rates differ."""
        fan_out, audio = len(dialogues) > self.fan_out_beyond, dialogues.audio
        rate = dialogues.selection.rate()
        options = {"audio": audio, "container": self.container, "fan_out": fan_out, "left": self.left, "version": 2}
        ours = rf"audio/(?:[0-9a-f]{{2}}/)?[^/]+\.(?:flac|wav)|{_LIST}"
        folder = ExportFolder(to, self.name, ours, dialogues, options)
        files = AudioFolder(folder, dialogues, fan_out)
        with folder.parts((_LIST,))[0].open("w", encoding="utf-8", newline="\n") as lines:
            for row in dialogues:
                name = files.name(row, f".{self.container}")
                places = dialogues.places(row)
                said = dialogues.backchannels(row, places)
                files.write(row, name, partial(self._encoded, row, places, said, rate))
                sound = {"audio": name, "left": self.left} if audio else {}
                facts = {**dialogues.facts(row, places), **_times(row, places), **_backchannels(said, rate), **sound}
                lines.write(json_line(facts))
        folder.publish((_LIST,))
        return folder.done(len(dialogues))

    def _encoded(
        self, row: FinishedRow, places: Sequence[Place], said: Sequence[Backchannel], rate: int, speech: Speech
    ) -> bytes:
        return encoded(two_channels(row, speech, places, self.left, said), rate, self.container)


def _backchannels(said: Sequence[Backchannel], rate: int) -> dict[str, Any]:
    """`backchannels`: what the listeners say, where they say something; `turn`: in which of `turns`, from 0."""
    found = [
        {
            "role": one.role,
            "text": one.text,
            "start": round(one.start / rate, TIME_DIGITS),
            "end": round(one.end / rate, TIME_DIGITS),
            "turn": one.turn,
        }
        for one in said
    ]
    return {"backchannels": found} if found else {}


def _times(row: FinishedRow, places: Sequence[Place]) -> dict[str, Any]:
    """When the agent first begins and the dialogue ends, in seconds; the user begins at 0. `turns`: all of them, where
    there are more than two."""
    rate = row["turns"][0]["sample_rate"]
    times: dict[str, Any] = {
        "agent_start": round(places[1].start / rate, SECONDS_DIGITS),
        "seconds": round(length_of(places) / rate, SECONDS_DIGITS),
    }
    if len(places) > 2:
        times["turns"] = [
            {
                "role": turn["role"],
                "text": place.text,
                "start": round(place.start / rate, TIME_DIGITS),
                "end": round(place.end / rate, TIME_DIGITS),
            }
            for turn, place in zip(row["turns"], places, strict=True)
        ]
    return times
