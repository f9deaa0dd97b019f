"""The paper's metadata JSON: one object a dialogue, one array in all, written as a stream."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson

CHANNELS = {"user": 0, "agent": 1}
_DIGITS = 4  # of seconds: a tenth of a millisecond


def audio_name(dialogue_id: str, channel: int) -> str:
    """A turn's file below `audio/`: `ID/ID_0_mark.wav`. "mark" says that it carries the watermark."""
    return f"{dialogue_id}/{dialogue_id}_{channel}_mark.wav"


def dialogue_object(row: Mapping[str, Any], genders: Mapping[str, str], folder: str = "") -> dict[str, Any]:
    """A gated row (schema `gate`) as the paper's object.

    Turns follow one another: the user starts at 0, the agent where the user ends. `genders` maps voices to female or
    male; `folder` stands before each audio path (`ab/`). Raises ValueError for a row that is no such dialogue.
    """
    turns = row["turns"]
    if len(turns) != 2 or turns[0]["role"] != "user" or turns[1]["role"] != "agent":
        raise ValueError(
            f"dialogue {row['id']}: a user's turn and an agent's are expected, got {[t['role'] for t in turns]}"
        )
    rate = turns[0]["sample_rate"]
    if rate != turns[1]["sample_rate"]:
        rates = sorted(t["sample_rate"] for t in turns)
        raise ValueError(f"dialogue {row['id']}: its turns have different sample rates: {rates}")
    dialog, speaker, clock = [], {}, 0.0
    for channel, turn in enumerate(turns):
        voice, end = turn["voice"], clock + turn["seconds"]
        if voice not in genders:
            raise ValueError(f"dialogue {row['id']}: voice {voice} is not in the voice library")
        speaker[voice] = {"role": turn["role"], "gender": genders[voice]}
        dialog.append(
            {
                "channel": channel,
                "speaker": voice,
                "text": turn["text"],
                "start": round(clock, _DIGITS),
                "end": round(end, _DIGITS),
                "audio_path": folder + audio_name(row["id"], channel),
            }
        )
        clock = end
    return {
        "id": row["id"],
        "speaker": speaker,
        "audio": {"channels": len(CHANNELS), "duration": round(clock, _DIGITS), "sample_rate": rate},
        "channel": [{"channel_index": i, "language": row["language"]} for i in CHANNELS.values()],
        "dialog": dialog,
    }


def lines(items: Iterable[Any]) -> bytes:
    """Items of a JSON array, one a line, for `JsonArray.extend`: compact JSON, UTF-8, numbers finite (else null)."""
    return b",\n".join(map(orjson.dumps, items))


class JsonArray:
    """Writes a JSON array one item a line, to a file that appears only when whole.

    >>> with JsonArray(Path("/tmp/some.json")) as array:
    ...     array.append({"id": "d1"})
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._file: IO[bytes] | None = None
        self._empty = True

    def __enter__(self) -> JsonArray:
        self._file = self._part.open("wb")
        self._file.write(b"[")
        return self

    def append(self, item: Any) -> None:
        self.extend(lines([item]))

    def extend(self, items: bytes) -> None:
        """Some items, as `lines` gives them; none are none."""
        if items:
            self._file.write(b"\n" if self._empty else b",\n")
            self._file.write(items)
            self._empty = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file as file:
            if kind is None:
                file.write(b"\n]\n")
                file.flush()
                os.fsync(file.fileno())
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    """Small JSON documents, atomically."""
    write_text(path, json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """UTF-8 text with line feeds, whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
