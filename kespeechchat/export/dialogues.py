"""The dialogues that a layout is made of: what every layout says of each, and its audio, checked against its row."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kespeechchat.export.selection import ReadAudio, Selection
from kespeechchat.export.wav_tree import ExportError

_DIGITS = 4  # of seconds: a tenth of a millisecond


@dataclass(frozen=True)
class Dialogues:
    """`selection`, with `read_audio` (row → FLAC by role; None: an export without audio) and the gender of each voice.

    `content`: a hash of what rows and audio came from; empty: no file of an earlier export is ever kept.
    """

    selection: Selection
    read_audio: ReadAudio | None
    genders: Mapping[str, str]
    content: str = ""

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.selection)

    def __len__(self) -> int:
        return self.selection.dialogues

    @property
    def audio(self) -> bool:
        return self.read_audio is not None

    def speech(self, row: Mapping[str, Any]) -> Mapping[str, bytes]:
        """FLAC by role, if it is as long as its row says; nothing in an export without audio. Raises ExportError where
        it is not."""
        return {} if self.read_audio is None else _fitting(row, self.read_audio(row))

    def facts(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Strings and numbers by name: id, language, split, partition (the smallest; None for held-out dialogues),
        error rate, and per role text, voice, gender, seconds. Raises ValueError for a voice not in the library."""
        found: dict[str, Any] = {
            "id": row["id"],
            "language": row["language"],
            "split": row["split"],
            "partition": self.selection.partition(row),
            "metric": row["metric"],
            "error_rate": None if row["error_rate"] is None else round(row["error_rate"], 6),
        }
        for turn in row["turns"]:
            role, voice = turn["role"], turn["voice"]
            if voice not in self.genders:
                raise ValueError(f"dialogue {row['id']}: voice {voice} is not in the voice library")
            found[f"{role}_text"] = turn["text"]
            found[f"{role}_voice"] = voice
            found[f"{role}_gender"] = self.genders[voice]
            found[f"{role}_seconds"] = round(turn["seconds"], _DIGITS)
        return found


def _fitting(row: Mapping[str, Any], speech: Mapping[str, bytes]) -> Mapping[str, bytes]:
    import soundfile

    for turn in row["turns"]:
        with soundfile.SoundFile(io.BytesIO(speech[turn["role"]])) as file:
            found, said = (file.frames, file.samplerate), (samples_of(turn), turn["sample_rate"])
        if found != said:
            raise ExportError(
                f"dialogue {row['id']}, {turn['role']}: the audio has {found[0]} samples at {found[1]} Hz, its row "
                f"says {said[0]} at {said[1]} Hz; run `kesc verify`, then `kesc build` again"
            )
    return speech


def samples_of(turn: Mapping[str, Any]) -> int:
    return round(turn["seconds"] * turn["sample_rate"])
