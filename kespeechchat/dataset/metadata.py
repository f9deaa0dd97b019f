"""The paper's metadata JSON (arXiv 2412.01078, appendix C): an object a dialogue, the paper's keys, and keys for
backchannels and manners of speaking where there are some, which the paper has not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict, cast

from kespeechchat.dataset.backchannels import Backchannel
from kespeechchat.dataset.places import Place
from kespeechchat.dataset.timeline import Timing, length_of
from kespeechchat.records import Language, Role
from kespeechchat.rows import FinishedRow

CHANNELS: dict[Role, int] = {"user": 0, "agent": 1}
SECONDS_DIGITS = 4  # of lengths: a tenth of a millisecond
TIME_DIGITS = 6  # of places on the timeline: exact to the sample at every rate up to 500 kHz


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


class MannerItem(TypedDict):
    """How a turn is spoken: the manner's name, its speed (times the engine's own pace), what the engine was told. What
    the manner leaves alone is left out."""

    name: str
    speed: NotRequired[float]
    instruct: NotRequired[str]


class DialogTurn(TypedDict):
    """One turn; `start` and `end` in seconds of the dialogue, `audio_path` below `audio/`. `manner` is there only where
    the turn is spoken in one."""

    channel: int
    speaker: str
    text: str
    start: float
    end: float
    audio_path: str
    manner: NotRequired[MannerItem]


class BackchannelItem(DialogTurn):
    """A short word of the listener, inside the turn with index `turn` of `dialog`."""

    turn: int


class DialogueObject(TypedDict):
    """A dialogue as the paper writes it. `backchannels` is there only where there are some."""

    id: str
    speaker: dict[str, Speaker]
    audio: AudioFacts
    channel: list[ChannelFacts]
    dialog: list[DialogTurn]
    backchannels: NotRequired[list[BackchannelItem]]


def audio_name(dialogue_id: str, index: int | str) -> str:
    """A turn's file below `audio/`: `ID/ID_0_mark.wav`; a backchannel's has its name (`back0`) in place of the number.
    "mark" says that it carries the watermark. The paper numbers the files by channel, which of one exchange is the
    turn's place in the dialogue."""
    return f"{dialogue_id}/{dialogue_id}_{index}_mark.wav"


def dialogue_object(
    row: FinishedRow,
    genders: Mapping[str, str],
    folder: str = "",
    places: Sequence[Place] | None = None,
    backchannels: Sequence[Backchannel] = (),
) -> DialogueObject:
    """A row as the paper's object.

    `places`: the timeline; by default turns follow one another, as in the paper. `genders` maps voices to female or
    male; `folder` stands before each audio path (`ab/`). Raises ValueError for a row that is no such dialogue.
    """
    places = Timing().places(row) if places is None else places
    rate = row["turns"][0]["sample_rate"]
    dialog: list[DialogTurn] = []
    speaker: dict[str, Speaker] = {}
    for index, (turn, place) in enumerate(zip(row["turns"], places, strict=True)):
        voice = turn["voice"]
        if voice not in genders:
            raise ValueError(f"dialogue {row['id']}: voice {voice} is not in the voice library")
        speaker[voice] = {"role": turn["role"], "gender": genders[voice]}
        dialog.append(
            {
                "channel": CHANNELS[turn["role"]],
                "speaker": voice,
                "text": place.text,
                "start": round(place.start / rate, TIME_DIGITS),
                "end": round(place.end / rate, TIME_DIGITS),
                "audio_path": folder + audio_name(row["id"], index),
            }
        )
        if manner := turn.get("manner"):
            dialog[-1]["manner"] = cast(MannerItem, {key: value for key, value in manner.items() if value is not None})
    duration = round(length_of(places) / rate, TIME_DIGITS)
    found: DialogueObject = {
        "id": row["id"],
        "speaker": speaker,
        "audio": {"channel": len(CHANNELS), "duration": duration, "sample_rate": rate},
        "channel": [{"channel_index": i, "language": row["language"]} for i in CHANNELS.values()],
        "dialog": dialog,
    }
    if backchannels:
        found["backchannels"] = [
            {
                "channel": CHANNELS[one.role],
                "speaker": one.voice,
                "text": one.text,
                "start": round(one.start / rate, TIME_DIGITS),
                "end": round(one.end / rate, TIME_DIGITS),
                "audio_path": folder + audio_name(row["id"], one.name),
                "turn": one.turn,
            }
            for one in backchannels
        ]
    return found
