"""What is known of a dialogue and has no key in the paper's metadata: how it was checked, and where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from kespeechchat.dataset.metadata import SECONDS_DIGITS
from kespeechchat.dataset.places import Place
from kespeechchat.dataset.timeline import Timing, words_of
from kespeechchat.records import Role, Split
from kespeechchat.rows import FinishedRow, FinishedTurn, Review

_OF_TURN = ("transcript", "seed", "tries", "words", "silences", "loudness", "gain")
# of stage `gate`, as Parquet names them, beside those of `statistics.COLUMNS`
COLUMNS = ("source", *(f"turns.list.element.{name}" for name in _OF_TURN))
# Values are kept in these parts of one: `round(x * n) / n` takes less than half of the time of `round(x, digits)`, and
# the words of a dialogue have some 150 times.
RATES, SCORES, TIMES, LEVELS = 1_000_000, 10_000, 1_000, 100


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
    cut: NotRequired[CutFacts]


class CutFacts(TypedDict):
    """A turn that a barge-in cut short: metadata.json has what is heard of it; this is its whole `text`, and its
    `seconds`. `words` and `silences` are of what is heard."""

    text: str
    seconds: float


class DialogueFacts(TypedDict):
    """One line of facts.jsonl. `source`, `shard` (of stage `gate`) and `round` (of speech) say where it came from;
    `review` is what annotators said of it (accepted, disputed, unsure), None where nobody did."""

    id: str
    split: Split
    partition: str | None
    metric: str
    error_rate: float
    source: str
    shard: int
    round: int
    review: Review | None
    turns: list[TurnFacts]


def dialogue_facts(row: FinishedRow, partition: str | None, places: Sequence[Place] | None = None) -> DialogueFacts:
    """`partition`: the smallest that holds the row, None for held-out dialogues; `places`: its timeline, by default the
    paper's."""
    places = Timing().places(row) if places is None else places
    return {
        "id": row["id"],
        "split": row["split"],
        "partition": partition,
        "metric": row["metric"],
        "error_rate": round(row["error_rate"] * RATES) / RATES,
        "source": row["source"],
        "shard": row["shard"],
        "round": row["round"],
        "review": row.get("review"),
        "turns": [_turn(turn, place) for turn, place in zip(row["turns"], places, strict=True)],
    }


def _turn(turn: FinishedTurn, place: Place) -> TurnFacts:
    if place.cut:
        whole: CutFacts = {"text": turn["text"], "seconds": round(turn["seconds"], SECONDS_DIGITS)}
        return {**_facts(_heard(turn, place)), "cut": whole}
    return _facts(turn)


def _heard(turn: FinishedTurn, place: Place) -> FinishedTurn:
    """The turn with the words and silences that are heard of it."""
    end = place.samples / turn["sample_rate"]
    words = words_of(turn, place)
    silences = turn.get("silences")
    return {
        **turn,
        "words": None if words is None else [{"text": w.text, "start": w.start, "end": w.end} for w in words],
        "silences": None
        if silences is None
        else [{"start": s["start"], "end": min(s["end"], end)} for s in silences if s["start"] < end],
    }


def _facts(turn: FinishedTurn) -> TurnFacts:
    words, silences = turn.get("words"), turn.get("silences")
    return {
        "role": turn["role"],
        "transcript": turn["transcript"],
        "error_rate": _rounded(turn["error_rate"], RATES),
        "watermark_score": _rounded(turn["watermark_score"], SCORES),
        "scores": {score["head"]: round(score["value"] * SCORES) / SCORES for score in turn["scores"] or ()},
        "seed": turn["seed"],
        "tries": turn["tries"],
        "words": None
        if words is None
        else [(w["text"], round(w["start"] * TIMES) / TIMES, round(w["end"] * TIMES) / TIMES) for w in words],
        "silences": None
        if silences is None
        else [(round(s["start"] * TIMES) / TIMES, round(s["end"] * TIMES) / TIMES) for s in silences],
        "loudness": _rounded(turn.get("loudness"), LEVELS),
        "gain": _rounded(turn.get("gain"), LEVELS),
    }


def _rounded(value: float | None, parts: int) -> float | None:
    return None if value is None else round(value * parts) / parts
