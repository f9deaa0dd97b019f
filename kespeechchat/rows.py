"""A dialogue as stage `gate` left it: the one row that statistics, partitions and every export layout read.

The columns are those of `records.SCHEMAS["gate"]`. Who reads some columns only gets rows that have no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

from kespeechchat.records import Language, Role, Split

Review = Literal["accepted", "rejected", "disputed", "unsure"]  # what annotators' verdicts come to


class Score(TypedDict):
    """One head of a quality predictor: `dnsmos_ovrl`, 3.4."""

    head: str
    value: float


class WordTime(TypedDict):
    """A word as the recognizer heard it, in seconds of its turn."""

    text: str
    start: float
    end: float


class Silence(TypedDict):
    """A silent interval, in seconds of its turn."""

    start: float
    end: float


class TurnManner(TypedDict):
    """In which of the profile's manners a turn was spoken: `speed`, times the engine's own pace, and `instruct`, what
    the engine was told; None where the manner leaves it."""

    name: str
    speed: float | None
    instruct: str | None


class FinishedTurn(TypedDict):
    """What one side says. `seconds` are of its audio, `sample_rate` is in Hz, `loudness` in LUFS before the `gain` (dB)
    that `synthesize` gave it. A ROOT that was measured before word times or levels were stored has none of them: the
    keys are missing, or hold None; so does `manner` of a turn that is spoken plainly. `leading_silence`,
    `longest_silence` (inside) and `trailing_silence` are in seconds."""

    role: Role
    voice: str
    text: str
    seed: int
    tries: int  # seeds that it took
    sample_rate: int
    seconds: float
    transcript: str  # raw, as the recognizer gave it
    error_rate: float | None
    watermark_score: float | None
    scores: list[Score] | None
    words: NotRequired[list[WordTime] | None]
    silences: NotRequired[list[Silence] | None]
    leading_silence: NotRequired[float | None]
    longest_silence: NotRequired[float | None]
    trailing_silence: NotRequired[float | None]
    loudness: NotRequired[float | None]
    gain: NotRequired[float | None]
    manner: NotRequired[TurnManner | None]


class FinishedRow(TypedDict):
    """A dialogue that passed the gate: the user's turn, then the agent's, once or several times."""

    id: str
    source: str
    language: Language
    split: Split
    metric: str  # CER | WER
    error_rate: float  # pooled over the turns
    edits: int
    units: int  # characters or words of the reference
    seconds: float  # of all turns' speech
    turns: list[FinishedTurn]
    shard: int  # where it is in ROOT: the shard of stage `gate` …
    round: int  # … and the round of speech that it passed in; 0 is the first
    review: NotRequired[Review | None]  # what annotators said of it; None or missing: nobody did


def speed_of(manner: TurnManner | None) -> float:
    """Times the engine's own pace; 1.0 where the manner leaves it."""
    return 1.0 if manner is None or manner["speed"] is None else manner["speed"]


def manner_text(manner: TurnManner | None) -> str | None:
    """The manner for a reader; None of a turn that is spoken plainly.

    >>> manner_text({"name": "hurried", "speed": 1.12, "instruct": "A busy man."})
    'hurried, speed 1.12, told “A busy man.”'
    """
    if not manner:
        return None
    speed = "" if manner["speed"] is None else f", speed {manner['speed']:g}"
    told = "" if manner["instruct"] is None else f", told “{manner['instruct']}”"
    return f"{manner['name']}{speed}{told}"


def samples_of(turn: FinishedTurn) -> int:
    """How many samples the turn's audio has."""
    return round(turn["seconds"] * turn["sample_rate"])


def fault_of(turns: Sequence[FinishedTurn]) -> str | None:
    """Why these are not the turns of a dialogue, or None: a user's and an agent's, in turn, each by one voice, all at
    one sample rate (where that column was read)."""
    roles = [turn["role"] for turn in turns]
    if len(turns) < 2 or len(turns) % 2 or roles != ["user", "agent"] * (len(turns) // 2):
        return f"expected a user's turn and an agent's, once or several times, got {roles}"
    rate, user, agent = turns[0].get("sample_rate"), turns[0]["voice"], turns[1]["voice"]
    for index, turn in enumerate(turns):
        if turn.get("sample_rate") != rate:
            rates = sorted({turn["sample_rate"] for turn in turns})
            return f"its turns have different sample rates: {rates}"
        if turn["voice"] != (agent if index % 2 else user):
            return f"turn {index} is spoken by {turn['voice']}, its {turn['role']} by {agent if index % 2 else user}"
    return None
