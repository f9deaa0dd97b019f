"""What the dataset holds and how good it is: the rows of the paper's Table 1, and of its Tables 4 and 5.

Everything is summed in whole numbers (microseconds, millionths), so the result does not depend on the order of rows or
on how the work was divided; `merge` joins parts. Memory does not grow with the rows, only with the voices' names.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.blocks import Block, Bools, Floats, coded
from kespeechchat.config.manner import PLAIN
from kespeechchat.dataset.moments import UNIT, Moments, counted
from kespeechchat.records import LANGUAGES
from kespeechchat.rounding import rounded

_LETTERS = re.compile(r"[^\W_]+")
_BEYOND = 0x10000  # code points, from which on they are rare
_BINS = 200  # of an error rate of 0 to 1, each named by its upper edge; beyond 1 counts in the last
ROLES = {"user": "instruction", "agent": "response"}  # a role's turn, in the paper's words

_OF_TURN = ("role", "voice", "text", "seconds", "error_rate", "watermark_score", "scores", "manner.name")
COLUMNS = (  # of stage `gate`, as Parquet names them: what is counted here and in `quality`
    *("language", "split", "metric", "error_rate", "edits", "units"),
    *(f"turns.list.element.{name}" for name in _OF_TURN),
)
PAPER = {"dialogues": "7,000,000", "hours": "over 60,000", "speakers": "42,002"}  # arXiv 2412.01078, abstract


def spoken_lengths(texts: Sequence[str], language: str) -> Floats:
    """float64 [n]: `spoken_length` of each text."""
    if language == "en":
        return np.array([len(text.split()) for text in texts], np.float64)
    points = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    said = _said()[np.minimum(points, _BEYOND)]
    rare = points >= _BEYOND
    said[rare] = [chr(point).isalnum() for point in points[rare].tolist()]
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    until = np.concatenate(([0], np.cumsum(said)))[np.concatenate(([0], ends))]
    return np.diff(until).astype(np.float64)


@lru_cache(maxsize=1)
def _said() -> Bools:
    """Code point → whether it is spoken: what `_LETTERS` finds."""
    return np.array([*(chr(point).isalnum() for point in range(_BEYOND)), False])


def spoken_length(text: str, language: str) -> int:
    """Words (en) or characters without spaces and punctuation (zh): what is said. The limits of stage `filter` count
    punctuation too (`text.checks.length`), for it is part of what an LLM wrote."""
    if language == "en":
        return len(text.split())
    return sum(map(len, _LETTERS.findall(text)))


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

    def add_block(self, block: Block, wanted: Bools, language: str, watermark_threshold: float) -> None:
        """The `wanted` rows of a block (bool [n]), which are in this language."""
        turns, counts = wanted[block.dialogue_of], self.counts
        counts.update({"dialogues": int(wanted.sum()), "turns": int(turns.sum())})
        for kind in ("split", "review"):
            counts.update({f"{kind}:{name}": n for name, n in _by_name(block.column(kind), wanted).items()})
        for kind in ("edits", "units"):
            counts[kind] += int(block.numbers(kind)[wanted].astype(np.int64).sum())
        self.metrics.update(block.codes("metric").take(wanted).present())
        seconds, rounds = block.turn_numbers("seconds"), block.numbers("round")
        whole = np.bincount(block.dialogue_of, seconds, len(block))
        for round_ in np.unique(rounds[wanted]).tolist():
            self.rounds[int(round_)].add_all(whole[wanted & (rounds == round_)], "turns: seconds")
        errors = block.numbers("error_rate")[wanted]
        self.errors.add_all(errors, "error_rate")
        bins = np.minimum(_BINS, np.ceil(rounded(errors * _BINS, 6))).astype(np.int64)
        self.error_bins.update(counted(bins))
        self._add_turns(block, turns, language, watermark_threshold)

    def _add_turns(self, block: Block, wanted: Bools, language: str, watermark_threshold: float) -> None:
        roles, texts, seconds = block.turn_codes("role"), block.of_turns("text"), block.turn_numbers("seconds")
        manners = coded(pc.fill_null(block.manners("name").cast(pa.string()), PLAIN))
        for role in roles.take(wanted).present():
            own = wanted & roles.where(role)
            lengths = spoken_lengths(texts.filter(pa.array(own)).to_pylist(), language)
            self.lengths[role].add_all(lengths, f"{role}: length of the text")
            spoken, paces = manners.take(own), seconds[own] / np.maximum(1, lengths)
            for name in spoken.present():
                self.paces[f"{role} {name}"].add_all(paces[spoken.where(name)], f"{role}: seconds")
            self.seconds[role].add_all(seconds[own], f"{role}: seconds")
            self.voices[role].update(block.voices.take(own).present())
        marks = block.of_turns("watermark_score").filter(pa.array(wanted)).drop_null().to_numpy(zero_copy_only=False)
        if len(marks):
            found = marks.astype(np.float64) >= watermark_threshold
            self.counts.update({"checked": len(marks), "marked": int(found.sum())})
        scores = block.turn_lists("scores")
        if not len(scores.list_of):
            return
        heads, values = coded(scores.column("head")), scores.column("value").to_numpy(zero_copy_only=False)
        for head in heads.names:
            own = values[heads.where(head) & wanted[scores.list_of]]
            if len(own):
                self.scores[head].add_all(own.astype(np.float64), f"turns: score {head}")

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
        hours = sum(m.total for m in self.seconds.values()) / UNIT / 3600
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
                str(round_): {"dialogues": m.count, "hours": round(m.total / UNIT / 3600, 6)}
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

    def add_block(self, block: Block) -> None:
        """All rows of a block."""
        languages = block.codes("language")
        for language in languages.present():
            self.parts[language].add_block(block, languages.where(language), language, self.watermark_threshold)

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
            "hours": round(sum(m.total for m in whole.seconds.values()) / UNIT / 3600, 6),
            "speakers": len(set().union(*whole.voices.values())),
        }
        return {"all": together, "paper": PAPER, **{lang: self.parts[lang].result(lang) for lang in languages}}


def _by_name(column: pa.Array, wanted: Bools) -> dict[str, int]:
    """How often each string is among the wanted ones; nulls are none."""
    named = coded(column.filter(pa.array(wanted)).drop_null())
    return {named.names[code]: n for code, n in counted(named.codes).items()}


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None
