"""The paper's metadata JSON (arXiv 2412.01078, appendix C): an object a dialogue, the paper's keys and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from kespeechchat.records import Language, Role
from kespeechchat.rows import FinishedRow

CHANNELS: dict[Role, int] = {"user": 0, "agent": 1}
SECONDS_DIGITS = 4  # a tenth of a millisecond


class Speaker(TypedDict):
    """A voice of the dialogue."""

    role: Role
    gender: str  # female | male


class AudioFacts(TypedDict):
    """The dialogue's audio: how many channels, seconds in all, Hz."""

    channel: int
    duration: float
    sample_rate: int


class ChannelFacts(TypedDict):
    """One channel and the language that is spoken on it."""

    channel_index: int
    language: Language


class DialogTurn(TypedDict):
    """One turn; `start` and `end` in seconds of the dialogue, `audio_path` below `audio/`."""

    channel: int
    speaker: str
    text: str
    start: float
    end: float
    audio_path: str


class DialogueObject(TypedDict):
    """A dialogue as the paper writes it."""

    id: str
    speaker: dict[str, Speaker]
    audio: AudioFacts
    channel: list[ChannelFacts]
    dialog: list[DialogTurn]


def audio_name(dialogue_id: str, channel: int) -> str:
    """A turn's file below `audio/`: `ID/ID_0_mark.wav`. "mark" says that it carries the watermark."""
    return f"{dialogue_id}/{dialogue_id}_{channel}_mark.wav"


def dialogue_object(row: FinishedRow, genders: Mapping[str, str], folder: str = "") -> DialogueObject:
    """A row as the paper's object.

    Turns follow one another: the user starts at 0, the agent where the user ends. `genders` maps voices to female or
    male; `folder` stands before each audio path (`ab/`). Raises ValueError for a row that is no such dialogue.
    """
    rate = _sample_rate(row)
    dialog: list[DialogTurn] = []
    speaker: dict[str, Speaker] = {}
    clock = 0.0
    for channel, turn in enumerate(row["turns"]):
        voice, end = turn["voice"], clock + turn["seconds"]
        if voice not in genders:
            raise ValueError(f"dialogue {row['id']}: voice {voice} is not in the voice library")
        speaker[voice] = {"role": turn["role"], "gender": genders[voice]}
        dialog.append(
            {
                "channel": channel,
                "speaker": voice,
                "text": turn["text"],
                "start": round(clock, SECONDS_DIGITS),
                "end": round(end, SECONDS_DIGITS),
                "audio_path": folder + audio_name(row["id"], channel),
            }
        )
        clock = end
    return {
        "id": row["id"],
        "speaker": speaker,
        "audio": {"channel": len(CHANNELS), "duration": round(clock, SECONDS_DIGITS), "sample_rate": rate},
        "channel": [{"channel_index": i, "language": row["language"]} for i in CHANNELS.values()],
        "dialog": dialog,
    }


def _sample_rate(row: FinishedRow) -> int:
    """Of both turns, in Hz. Raises ValueError where they are not a user's and an agent's, or have different rates."""
    turns = row["turns"]
    if len(turns) != 2 or turns[0]["role"] != "user" or turns[1]["role"] != "agent":
        raise ValueError(
            f"dialogue {row['id']}: expected a user's turn and an agent's, got {[t['role'] for t in turns]}"
        )
    rate = turns[0]["sample_rate"]
    if rate != turns[1]["sample_rate"]:
        rates = sorted(t["sample_rate"] for t in turns)
        raise ValueError(f"dialogue {row['id']}: its turns have different sample rates: {rates}")
    return rate
