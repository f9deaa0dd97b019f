"""The estimate for one size of input: rows, hours and bytes of each unit, and the wall time of all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from kespeechchat.commands.plan.arithmetic import (
    ZERO,
    Figures,
    Pool,
    Range,
    TooFewGPUs,
    product,
    rounds_after,
    rows_backward,
    rows_forward,
    share_of_first,
    wall_hours,
)
from kespeechchat.commands.plan.chains import chains, shard_size
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.resources import Resources
from kespeechchat.display import counted
from kespeechchat.state.segments import segments


@dataclass(frozen=True)
class Line:
    """One unit in one language (None: both)."""

    unit: str
    language: str | None
    rows: Range
    actor_hours: Range
    gpus: float  # of one actor
    storage: Range  # bytes

    @property
    def gpu_hours(self) -> Range:
        """Of all its actors together."""
        return self.actor_hours * self.gpus


@dataclass(frozen=True)
class Size:
    """The estimate for one size of input. Dialogues and audio hours are those that pass the gate, per language."""

    title: str
    rows: dict[str, Range] = field(default_factory=dict)
    dialogues: dict[str, Range] = field(default_factory=dict)
    audio_hours: dict[str, Range] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # what has no figures and is in no sum
    wall: Range | None = None  # hours
    actors: dict[str, int] = field(default_factory=dict)
    too_small: str | None = None  # why there is no wall time

    def total(self, what: Literal["actor_hours", "gpu_hours", "storage"]) -> Range:
        """The sum over all lines."""
        figures: list[Range] = [getattr(line, what) for line in self.lines]
        return sum(figures, ZERO)


@dataclass(frozen=True)
class _Way:
    """What is measured of the way of one language's rows: yields of its units up to the first without figures, and of
    each round of speech where the way is measured to its end."""

    yields: Sequence[Range]
    rounds: Sequence[Sequence[Range]] = ()

    @property
    def first(self) -> float:
        """Of the dialogues that some round keeps, the share that the first one does."""
        return share_of_first(self.rounds) if self.rounds else 1.0

    def forward(self, rows: float) -> list[Range]:
        """Rows into each unit, and out of the last."""
        return rows_forward(self.yields, rows)

    def backward(self, dialogues: float) -> list[Range]:
        """The same, where so many dialogues are wanted of all rounds."""
        return rows_backward(self.yields, dialogues * self.first)

    def dialogues(self, rows: float) -> float:
        """How many dialogues so many rows give, all rounds together."""
        return self.forward(rows)[-1].mid / (self.first or 1.0)


class Estimator:
    """Estimates sizes of one profile from figures per (unit, language). `gpus` None: all that the pools may take."""

    def __init__(
        self,
        pipeline: Pipeline,
        figures: Mapping[tuple[str, str | None], Figures],
        clips: Mapping[str, float],
        gpus: int | None,
    ) -> None:
        self._pipeline, self._figures, self._clips, self._gpus = pipeline, figures, clips, gpus
        self._segments = [[unit.name for unit in segment] for segment in segments(pipeline)]
        self._chains = chains(pipeline)

    def of_rows(self, title: str, rows: Mapping[str, float], voices: float) -> Size:
        """All `rows` (per language) go in. `voices`: candidates that are auditioned."""
        size, ways = self._begun(title, rows)
        into = {language: ways[language].forward(count) for language, count in rows.items()}
        return self._finished(size, ways, into, voices)

    def of_dialogues(self, title: str, rows: Mapping[str, float], wanted: int, voices: float) -> Size:
        """So many rows go in that `wanted` dialogues come out, in the shares of languages that `rows` give."""
        size, ways = self._begun(title, rows)
        if missing := [language for language in sorted(rows) if not ways[language].rounds]:
            size.unknown.append(
                f"{counted(wanted, 'dialogue')} ({', '.join(missing)} has not been measured up to the gate)"
            )
            return self._finished(size, ways, {}, voices)
        given = {language: ways[language].dialogues(count) for language, count in rows.items()}
        total = sum(given.values())
        shares = {language: given[language] / total if total else 1 / len(rows) for language in rows}
        into = {language: ways[language].backward(wanted * share) for language, share in shares.items()}
        return self._finished(size, ways, into, voices)

    def of_targets(self, title: str, rows: Mapping[str, float], wanted: Mapping[str, float], voices: float) -> Size:
        """So many rows go in that each language in `wanted` gives that many dialogues; of the others, all."""
        size, ways = self._begun(title, rows)
        into = {
            language: ways[language].backward(wanted[language]) if language in wanted else ways[language].forward(count)
            for language, count in rows.items()
        }
        return self._finished(size, ways, into, voices)

    # --- dialogues

    def _begun(self, title: str, rows: Mapping[str, float]) -> tuple[Size, dict[str, _Way]]:
        size = Size(title)
        return size, {language: self._way(size, language) for language in rows}

    def _way(self, size: Size, language: str) -> _Way:
        yields = self._known(size, self._chains.first, language)
        if len(yields) < len(self._chains.first):
            return _Way(yields)
        rounds: list[Sequence[Range]] = [yields[len(self._chains.text) :]]
        for units in self._chains.speech[1:]:
            if product(rounds[-1]).mid == 1:
                break  # nothing is left for this round
            again = self._known(size, units, language)
            if len(again) < len(units):
                break
            rounds.append(again)
        return _Way(yields, rounds)

    def _finished(
        self, size: Size, ways: Mapping[str, _Way], into: Mapping[str, Sequence[Range]], voices: float
    ) -> Size:
        """Lines of all units. `into`: per language the rows into each unit of the first round, and out of the last."""
        for language, rows in into.items():
            size.rows[language] = rows[0]
            self._lines(size, self._chains.first, language, rows)
            if ways[language].rounds:
                self._rounds(size, language, rows, ways[language].rounds)
        self._voices(size, voices)
        return self._timed(size)

    def _rounds(self, size: Size, language: str, first: Sequence[Range], rounds: Sequence[Sequence[Range]]) -> None:
        """Lines of the later rounds; dialogues and hours of all."""
        ends = [first[-1]]
        later = rounds_after(rounds, first[len(self._chains.text)])
        for units, rows in zip(self._chains.speech[1:], later, strict=False):
            self._lines(size, units, language, rows)
            ends.append(rows[-1])
        size.dialogues[language] = sum(ends, ZERO)
        hours = (
            end * (self._figures[(units[-1], language)].audio / 3600)
            for units, end in zip(self._chains.speech, ends, strict=False)
        )
        size.audio_hours[language] = sum(hours, ZERO)

    # --- voices

    def _voices(self, size: Size, candidates: float) -> None:
        """Lines of the voice branch: clips by language, all of them at once, and the candidates."""
        found, mined = self._chains, ZERO
        for language, count in self._clips.items():
            yields = self._known(size, found.clips, language)
            rows = rows_forward(yields, count)
            self._lines(size, found.clips, language, rows)
            if len(yields) == len(found.clips):
                mined += rows[-1]
        per_clip = rows_forward(self._known(size, found.mining, None), 1.0)
        self._lines(size, found.mining, None, [rows * mined for rows in per_clip])
        auditioned = rows_forward(self._known(size, found.auditions, None), candidates)
        self._lines(size, found.auditions, None, auditioned)

    # --- both

    def _known(self, size: Size, chain: Sequence[str], language: str | None) -> list[Range]:
        """Yields of the chain's units up to the first that has no figures; that one is put down as unknown."""
        yields = []
        for unit in chain:
            figures = self._figures.get((unit, language))
            if figures is None:
                after = chain[chain.index(unit) :]
                size.unknown.append(f"{', '.join(after)}{f' ({language})' if language else ''}")
                break
            yields.append(figures.share)
        return yields

    def _lines(self, size: Size, chain: Sequence[str], language: str | None, rows: Sequence[Range]) -> None:
        """A line for each unit that has figures. `rows`: into each of those, and out of the last."""
        for unit, into in zip(chain, rows[:-1], strict=False):
            figures = self._figures[(unit, language)]
            hours = into * figures.seconds * (1 / 3600)
            size.lines.append(Line(unit, language, into, hours, self._resources(unit).num_gpus, into * figures.size))

    def _resources(self, unit: str) -> Resources:
        return self._pipeline.resources_of(self._pipeline.unit_of(unit).first)

    # --- wall time

    def _timed(self, size: Size) -> Size:
        hours: dict[str, Range] = {}
        for line in size.lines:
            hours[line.unit] = hours.get(line.unit, ZERO) + line.actor_hours
        pools = {unit: self._pool(unit, size) for unit in hours}
        try:
            wall, actors = wall_hours(self._segments, hours, pools, self._gpus)
        except TooFewGPUs as error:
            return replace(size, too_small=str(error))
        return replace(size, wall=wall, actors=actors)

    def _pool(self, unit: str, size: Size) -> Pool:
        """The unit's actors: no more than it has shards."""
        wanted = self._resources(unit)
        most = max(1, min(wanted.max_actors, self._shards(unit, size)))
        return Pool(wanted.num_gpus, min(wanted.min_actors, most), most)

    def _shards(self, unit: str, size: Size) -> int:
        per_shard = shard_size(self._pipeline, self._pipeline.unit_of(unit))
        if per_shard is None:
            return 1
        rows = sum(line.rows.mid for line in size.lines if line.unit == unit)
        if unit not in self._chains.voices:
            rows = sum(r.mid for r in size.rows.values())  # a shard keeps its number however few rows are left in it
        return math.ceil(min(rows, 1e12) / per_shard)
