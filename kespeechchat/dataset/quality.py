"""How good the speech is: the paper's Tables 4 and 5, on the smallest partition, by language, gender and voice.

Sums are exact (see `moments.Moments`), so the order of rows does not matter. Memory grows with the voices alone:
some 250 bytes for each voice, language and score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kespeechchat.blocks import Block
from kespeechchat.dataset.moments import Moments
from kespeechchat.dataset.statistics import Part
from kespeechchat.records import LANGUAGES

ERROR = "error_rate"  # of single turns, beside the heads of the scores
_WORST = 5  # voices named
PAPER = {"dnsmos_ovrl": 3.41}  # arXiv 2412.01078, mean P.835 OVRL of the paper's data

Scores = dict[str, Moments]


@dataclass
class Quality:
    """Streams gated dialogues of one partition. `genders`: voice → female | male."""

    genders: Mapping[str, str]
    watermark_threshold: float
    languages: dict[str, Part] = field(default_factory=lambda: defaultdict(Part))
    groups: dict[tuple[str, str], Scores] = field(default_factory=dict)  # (language, gender)
    voices: dict[tuple[str, str], Scores] = field(default_factory=dict)  # (language, voice)

    def add_block(self, block: Block) -> None:
        """All dialogues of a block. Raises KeyError for a voice without a gender."""
        languages = block.codes("language")
        for language in languages.present():
            self.languages[language].add_block(block, languages.where(language), language, self.watermark_threshold)
        of_turns = zip(languages.codes[block.dialogue_of].tolist(), block.voices.codes.tolist(), strict=True)
        of = [(languages.names[language], block.voices.names[voice]) for language, voice in of_turns]
        both = {
            (language, voice): (
                self.groups.setdefault((language, self.genders[voice]), {}),
                self.voices.setdefault((language, voice), {}),
            )
            for language, voice in of
        }
        for name, turn, value in _measured(block):
            for scores in both[of[turn]]:
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


def _measured(block: Block) -> Iterator[tuple[str, int, float]]:
    """The name of each figure, the turn that it is of, its value."""
    scores, rates = block.turn_lists("scores"), block.of_turns("error_rate")
    if len(scores.list_of):
        yield from zip(
            scores.column("head").to_pylist(), scores.list_of.tolist(), scores.column("value").to_pylist(), strict=True
        )
    yield from ((ERROR, turn, rate) for turn, rate in enumerate(rates.to_pylist()) if rate is not None)


def _results(scores: Scores) -> dict[str, Any]:
    return {name: moments.result() for name, moments in sorted(scores.items())}


def _over_voices(name: str, means: Iterable[tuple[float, str]]) -> dict[str, Any]:
    """The voices' means as one distribution; the worst are the lowest scores, of error rates the highest."""
    ordered = sorted(means, reverse=name == ERROR)
    spread = Moments()
    for mean, _ in ordered:
        spread.add(mean)
    return {**spread.result(), "worst": {voice: mean for mean, voice in ordered[:_WORST]}}
