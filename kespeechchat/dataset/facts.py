"""What is known of a dialogue and has no key in the paper's metadata: how it was checked, and where it came from."""

from __future__ import annotations

from typing import TypedDict

from kespeechchat.records import Role, Split
from kespeechchat.rows import FinishedRow, FinishedTurn, Silence, WordTime

_OF_TURN = ("transcript", "seed", "tries", "words", "silences", "loudness", "gain")
# of stage `gate`, as Parquet names them, beside those of `statistics.COLUMNS`
COLUMNS = ("source", *(f"turns.list.element.{name}" for name in _OF_TURN))
_RATE_DIGITS, _SCORE_DIGITS, _TIME_DIGITS, _LEVEL_DIGITS = 6, 4, 3, 2


class TurnFacts(TypedDict):
    """One turn: what the recognizer heard (`transcript`), how far off that is, scores by head, and with which seed and
    after how many tries it was spoken. `words` (text, start, end) and `silences` (start, end) are in seconds; None in a
    ROOT that was measured before they were stored. `loudness` is in LUFS, as the TTS spoke; `gain` in dB is what the
    turn was then raised by. Both are None where the profile leaves the level alone."""

    role: Role
    transcript: str
    error_rate: float | None
    watermark_score: float | None
    scores: dict[str, float]
    seed: int
    tries: int
    words: list[tuple[str, float, float]] | None
    silences: list[tuple[float, float]] | None
    loudness: float | None
    gain: float | None


class DialogueFacts(TypedDict):
    """One line of facts.jsonl. `source`, `shard` (of stage `gate`) and `round` (of speech) say where it came from."""

    id: str
    split: Split
    partition: str | None
    metric: str
    error_rate: float
    source: str
    shard: int
    round: int
    turns: list[TurnFacts]


def dialogue_facts(row: FinishedRow, partition: str | None) -> DialogueFacts:
    """`partition`: the smallest that holds the row, None for held-out dialogues."""
    return {
        "id": row["id"],
        "split": row["split"],
        "partition": partition,
        "metric": row["metric"],
        "error_rate": round(row["error_rate"], _RATE_DIGITS),
        "source": row["source"],
        "shard": row["shard"],
        "round": row["round"],
        "turns": [_turn(turn) for turn in row["turns"]],
    }


def _turn(turn: FinishedTurn) -> TurnFacts:
    words, silences = turn.get("words"), turn.get("silences")
    return {
        "role": turn["role"],
        "transcript": turn["transcript"],
        "error_rate": _rounded(turn["error_rate"], _RATE_DIGITS),
        "watermark_score": _rounded(turn["watermark_score"], _SCORE_DIGITS),
        "scores": {score["head"]: round(score["value"], _SCORE_DIGITS) for score in turn["scores"] or ()},
        "seed": turn["seed"],
        "tries": turn["tries"],
        "words": None if words is None else [(w["text"], *_span(w)) for w in words],
        "silences": None if silences is None else [_span(s) for s in silences],
        "loudness": _rounded(turn.get("loudness"), _LEVEL_DIGITS),
        "gain": _rounded(turn.get("gain"), _LEVEL_DIGITS),
    }


def _span(timed: WordTime | Silence) -> tuple[float, float]:
    return round(timed["start"], _TIME_DIGITS), round(timed["end"], _TIME_DIGITS)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
