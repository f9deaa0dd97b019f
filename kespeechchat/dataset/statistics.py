"""What the dataset holds and how good it is: the rows of the paper's Table 1, and of its Tables 4 and 5.

Everything is summed in whole numbers (microseconds, millionths), so the result does not depend on the order of rows or
on how the work was divided; `merge` joins parts. Memory does not grow with the rows, only with the voices' names.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from kespeechchat.config.manner import PLAIN
from kespeechchat.records import LANGUAGES
from kespeechchat.rows import FinishedRow, FinishedTurn

_UNIT = 1_000_000
_LETTERS = re.compile(r"[^\W_]+")
_BINS = 200  # of an error rate of 0 to 1, each named by its upper edge; beyond 1 counts in the last
ROLES = {"user": "instruction", "agent": "response"}  # a role's turn, in the paper's words

_OF_TURN = ("role", "voice", "text", "seconds", "error_rate", "watermark_score", "scores", "manner.name")
COLUMNS = (  # of stage `gate`, as Parquet names them: what is counted here and in `quality`
    *("language", "split", "metric", "error_rate", "edits", "units"),
    *(f"turns.list.element.{name}" for name in _OF_TURN),
)
PAPER = {"dialogues": "7,000,000", "hours": "over 60,000", "speakers": "42,002"}  # arXiv 2412.01078, abstract


def spoken_length(text: str, language: str) -> int:
    """Words (en) or characters without spaces and punctuation (zh): what is said. The limits of stage `filter` count
    punctuation too (`text.checks.length`), for it is part of what an LLM wrote."""
    if language == "en":
        return len(text.split())
    return sum(map(len, _LETTERS.findall(text)))


@dataclass(slots=True)
class Moments:
    """Count, sum, sum of squares and extremes of a quantity, in millionths."""

    count: int = 0
    total: int = 0
    squares: int = 0
    low: int | None = None
    high: int | None = None

    def add(self, value: float) -> None:
        """One value."""
        scaled = round(value * _UNIT)
        self.count += 1
        self.total += scaled
        self.squares += scaled * scaled
        if self.low is None or scaled < self.low:
            self.low = scaled
        if self.high is None or scaled > self.high:
            self.high = scaled

    def merge(self, other: Moments) -> None:
        """Takes in other values; the order does not matter."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        self.low = min((v for v in (self.low, other.low) if v is not None), default=None)
        self.high = max((v for v in (self.high, other.high) if v is not None), default=None)

    def result(self) -> dict[str, float | int | None]:
        """`count`, `mean`, `std` (of the population), `min`, `max`; all but the count None where there is no value."""
        if not self.count or self.low is None or self.high is None:
            return {"count": 0, "mean": None, "std": None, "min": None, "max": None}
        variance = max(0, self.count * self.squares - self.total * self.total) / self.count**2
        mean, std = self.total / self.count / _UNIT, variance**0.5 / _UNIT
        return {
            "count": self.count,
            "mean": round(mean, 4),
            "std": round(std, 4),
            "min": round(self.low / _UNIT, 4),
            "max": round(self.high / _UNIT, 4),
        }


@dataclass
class Part:
    """One language's share of the dataset."""

    counts: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, Moments] = field(default_factory=lambda: defaultdict(Moments))
    seconds: dict[str, Moments] = field(default_factory=lambda: defaultdict(Moments))
    scores: dict[str, Moments] = field(default_factory=lambda: defaultdict(Moments))
    errors: Moments = field(default_factory=Moments)
    error_bins: Counter[int] = field(default_factory=Counter)
    voices: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    metrics: set[str] = field(default_factory=set)
    rounds: dict[int, Moments] = field(default_factory=lambda: defaultdict(Moments))  # seconds of dialogues
    paces: dict[str, Moments] = field(default_factory=lambda: defaultdict(Moments))  # s a unit, by "ROLE MANNER"

    def add(self, row: FinishedRow, watermark_threshold: float) -> None:
        """One row; a turn is marked from `watermark_threshold` on."""
        counts = self.counts
        counts["dialogues"] += 1
        counts["turns"] += len(row["turns"])
        counts[f"split:{row['split']}"] += 1
        if review := row.get("review"):
            counts[f"review:{review}"] += 1
        counts["edits"] += row["edits"]
        counts["units"] += row["units"]
        self.metrics.add(row["metric"])
        self.rounds[row["round"]].add(sum(turn["seconds"] for turn in row["turns"]))
        self.errors.add(row["error_rate"])
        self.error_bins[min(_BINS, ceil(round(row["error_rate"] * _BINS, 6)))] += 1
        for turn in row["turns"]:
            self._add_turn(turn, row["language"], watermark_threshold)

    def merge(self, other: Part) -> None:
        """Takes in other rows; the order does not matter."""
        self.counts.update(other.counts)
        self.error_bins.update(other.error_bins)
        self.metrics |= other.metrics
        self.errors.merge(other.errors)
        for mine, theirs in ((self.lengths, other.lengths), (self.seconds, other.seconds), (self.scores, other.scores)):
            for key, moments in theirs.items():
                mine[key].merge(moments)
        for role, names in other.voices.items():
            self.voices[role] |= names
        for round_, moments in other.rounds.items():
            self.rounds[round_].merge(moments)
        for spoken, moments in other.paces.items():
            self.paces[spoken].merge(moments)

    def result(self, language: str) -> dict[str, Any]:
        """What statistics.json says of a language."""
        unit = "words" if language == "en" else "characters"
        hours = sum(m.total for m in self.seconds.values()) / _UNIT / 3600
        splits, reviews = self._counted("split:"), self._counted("review:")
        per_turn = {
            ROLES[role]: {unit: self.lengths[role].result(), "seconds": self.seconds[role].result()}
            for role in sorted(self.lengths, reverse=True)
        }
        return {
            "dialogues": self.counts["dialogues"],
            "turns": self.counts["turns"],
            "hours": round(hours, 6),
            "seconds_per_dialogue": _ratio(hours * 3600, self.counts["dialogues"]),
            "speakers": {role: len(names) for role, names in sorted(self.voices.items(), reverse=True)},
            "splits": splits,
            **({"reviews": reviews} if reviews else {}),
            "rounds": {
                str(round_): {"dialogues": m.count, "hours": round(m.total / _UNIT / 3600, 6)}
                for round_, m in sorted(self.rounds.items())
            },
            **per_turn,
            **self._manners(unit),
            "quality": self.quality(),
        }

    def _manners(self, unit: str) -> dict[str, Any]:
        """Of each role and manner the turns, their share of the role's, and their pace; nothing where all are plain."""
        found: dict[str, dict[str, Moments]] = defaultdict(dict)
        for spoken, moments in sorted(self.paces.items(), reverse=True):
            role, _, name = spoken.partition(" ")
            found[role][name] = moments
        if all(names.keys() <= {PLAIN} for names in found.values()):
            return {}
        turns = {role: sum(m.count for m in names.values()) for role, names in found.items()}
        manners = {
            role: {
                name: {"turns": m.count, "share": _ratio(m.count, turns[role]), f"seconds_per_{unit[:-1]}": m.result()}
                for name, m in sorted(names.items())
            }
            for role, names in found.items()
        }
        return {"manners": manners}

    def _counted(self, of: str) -> dict[str, int]:
        return {k.removeprefix(of): v for k, v in sorted(self.counts.items()) if k.startswith(of)}

    def _add_turn(self, turn: FinishedTurn, language: str, watermark_threshold: float) -> None:
        role, length = turn["role"], spoken_length(turn["text"], language)
        self.lengths[role].add(length)
        manner = turn.get("manner")
        self.paces[f"{role} {manner['name'] if manner else PLAIN}"].add(turn["seconds"] / max(1, length))
        self.seconds[role].add(turn["seconds"])
        self.voices[role].add(turn["voice"])
        if turn["watermark_score"] is not None:
            self.counts["checked"] += 1
            self.counts["marked"] += turn["watermark_score"] >= watermark_threshold
        for score in turn["scores"] or ():
            self.scores[score["head"]].add(score["value"])

    def quality(self) -> dict[str, Any]:
        """Error rates (the histogram's bins named by their upper edge), scores by head, watermarks found."""
        return {
            "error_rate": {
                "metric": "/".join(sorted(self.metrics)) or None,
                "pooled": _ratio(self.counts["edits"], self.counts["units"]),
                "per_dialogue": self.errors.result(),
                "quantiles": {str(q): self._quantile(q) for q in (0.5, 0.9, 0.99)},
                "histogram": {f"{bin_ / _BINS:g}": n for bin_, n in sorted(self.error_bins.items())},
            },
            "scores": {head: m.result() for head, m in sorted(self.scores.items())},
            "watermark": {
                "turns": self.counts["checked"],
                "detected": self.counts["marked"],
                "rate": _ratio(self.counts["marked"], self.counts["checked"]),
            },
        }

    def _quantile(self, share: float) -> float | None:
        """Upper edge of the bin that holds the quantile: exact to 0.005."""
        seen, wanted = 0, share * self.errors.count
        for bin_, count in sorted(self.error_bins.items()):
            seen += count
            if seen >= wanted:
                return bin_ / _BINS
        return None


@dataclass
class Statistics:
    """Streams gated rows; `result()` gives statistics.json."""

    watermark_threshold: float
    parts: dict[str, Part] = field(default_factory=lambda: defaultdict(Part))

    def add(self, row: FinishedRow) -> None:
        """One row."""
        self.parts[row["language"]].add(row, self.watermark_threshold)

    def merge(self, other: Statistics) -> None:
        """Takes in other rows; the order does not matter."""
        for language, part in other.parts.items():
            self.parts[language].merge(part)

    def result(self) -> dict[str, Any]:
        """By language and in all; lengths are words (en) or characters (zh), seconds and hours of audio; `rounds`: what
        each round of speech brought, 0 being the first."""
        languages = [lang for lang in LANGUAGES if lang in self.parts]
        whole = Part()
        for language in languages:
            whole.merge(self.parts[language])
        together = {
            "dialogues": whole.counts["dialogues"],
            "turns": whole.counts["turns"],
            "hours": round(sum(m.total for m in whole.seconds.values()) / _UNIT / 3600, 6),
            "speakers": len(set().union(*whole.voices.values())),
        }
        return {"all": together, "paper": PAPER, **{lang: self.parts[lang].result(lang) for lang in languages}}


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None
