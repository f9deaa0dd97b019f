"""How good the speech is: the paper's Tables 4 and 5, on the smallest partition, by language, gender and voice.

Sums are exact (see `moments.Moments`), so the order of rows does not matter. Memory grows with the voices alone:
some 250 bytes for each voice, language and score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kespeechchat.dataset.moments import Moments
from kespeechchat.dataset.statistics import Part
from kespeechchat.records import LANGUAGES
from kespeechchat.rows import FinishedRow, FinishedTurn

ERROR = "error_rate"  # of single turns, beside the heads of the scores
_WORST = 5  # voices named
PAPER = {"dnsmos_ovrl": 3.41}  # arXiv 2412.01078, mean P.835 OVRL of the paper's data

Scores = dict[str, Moments]


@dataclass
class Quality:
    """Streams gated rows of one partition. `genders`: voice → female | male."""

    genders: Mapping[str, str]
    watermark_threshold: float
    languages: dict[str, Part] = field(default_factory=lambda: defaultdict(Part))
    groups: dict[tuple[str, str], Scores] = field(default_factory=dict)  # (language, gender)
    voices: dict[tuple[str, str], Scores] = field(default_factory=dict)  # (language, voice)

    def add(self, row: FinishedRow) -> None:
        """Raises KeyError for a voice without a gender."""
        language = row["language"]
        self.languages[language].add(row, self.watermark_threshold)
        for turn in row["turns"]:
            voice = turn["voice"]
            both = (
                self.groups.setdefault((language, self.genders[voice]), {}),
                self.voices.setdefault((language, voice), {}),
            )
            for name, value in _measured(turn):
                for scores in both:
                    scores.setdefault(name, Moments()).add(value)

    def merge(self, other: Quality) -> None:
        """Takes in other rows; the order does not matter."""
        for language, part in other.languages.items():
            self.languages[language].merge(part)
        for mine, theirs in ((self.groups, other.groups), (self.voices, other.voices)):
            for key, scores in theirs.items():
                own = mine.setdefault(key, {})
                for name, moments in scores.items():
                    own.setdefault(name, Moments()).merge(moments)

    def result(self) -> dict[str, Any]:
        """By language: what `Part.quality` gives, `genders`, and `voices`: the spread of their means, the worst."""
        found: dict[str, Any] = {}
        for language in [lang for lang in LANGUAGES if lang in self.languages]:
            part = self.languages[language]
            found[language] = {
                "dialogues": part.counts["dialogues"],
                **part.quality(),
                "genders": {g: _results(s) for (lang, g), s in sorted(self.groups.items()) if lang == language},
                "voices": self._spread(language),
            }
        return found

    def by_voice(self) -> Iterator[dict[str, Any]]:
        """One object a voice and language, sorted: its id, gender, and each score's moments."""
        for language, voice in sorted(self.voices):
            scores = _results(self.voices[language, voice])
            yield {"voice": voice, "gender": self.genders[voice], "language": language, **scores}

    def _spread(self, language: str) -> dict[str, Any]:
        means: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for (lang, voice), scores in self.voices.items():
            if lang == language:
                for name, moments in scores.items():
                    if (mean := moments.result()["mean"]) is not None:
                        means[name].append((mean, voice))
        return {name: _over_voices(name, each) for name, each in sorted(means.items())}


def _measured(turn: FinishedTurn) -> Iterator[tuple[str, float]]:
    for score in turn["scores"] or ():
        yield score["head"], score["value"]
    if (error_rate := turn["error_rate"]) is not None:
        yield ERROR, error_rate


def _results(scores: Scores) -> dict[str, Any]:
    return {name: moments.result() for name, moments in sorted(scores.items())}


def _over_voices(name: str, means: Iterable[tuple[float, str]]) -> dict[str, Any]:
    """The voices' means as one distribution; the worst are the lowest scores, of error rates the highest."""
    ordered = sorted(means, reverse=name == ERROR)
    spread = Moments()
    for mean, _ in ordered:
        spread.add(mean)
    return {**spread.result(), "worst": {voice: mean for mean, voice in ordered[:_WORST]}}
