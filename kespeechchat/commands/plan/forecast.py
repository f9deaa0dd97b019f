"""`kesc plan`: the estimate of a whole build, put together from measured figures and told with its arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from kespeechchat.commands.plan import arithmetic as e
from kespeechchat.commands.plan.arithmetic import Figures, Pool, Range
from kespeechchat.commands.plan.measurements import (
    Measured,
    candidates,
    chains,
    dialogues_for_targets,
    own_clips,
    own_rows,
    read_samples,
)
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.stages import Resources
from kespeechchat.config.units import Unit
from kespeechchat.state.segments import segments
from kespeechchat.store.interface import ObjectStore


@dataclass(frozen=True)
class Line:
    """One unit in one language (None: both)."""

    unit: str
    language: str | None
    rows: Range
    actor_hours: Range
    gpus: int  # of one actor
    storage: Range  # bytes

    @property
    def gpu_hours(self) -> Range:
        return self.actor_hours * self.gpus


@dataclass(frozen=True)
class Size:
    """The estimate for one size of input. Dialogues and audio hours are those that pass the gate, per language."""

    title: str
    rows: dict[str, Range]
    dialogues: dict[str, Range] = field(default_factory=dict)
    audio_hours: dict[str, Range] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # what has no figures and is in no sum
    wall: Range | None = None
    actors: dict[str, int] = field(default_factory=dict)
    too_small: str | None = None  # why there is no wall time

    def total(self, what: str) -> Range:
        return sum((getattr(line, what) for line in self.lines), e.ZERO)


@dataclass(frozen=True)
class Outlook:
    measured: Measured
    figures: dict[tuple[str, str | None], Figures]
    sizes: list[Size]
    gpus: int | None
    notes: list[str] = field(default_factory=list)  # what the estimate had to take for granted
    names: dict[str, str] = field(default_factory=dict)  # unit → all its stages, where several are fused

    def to_json(self) -> dict[str, Any]:
        """Plain data. An end that is not finite (nothing was kept, so no number of rows suffices) is null."""
        return _finite(
            {
                "figures_from": self.measured.root,
                "shards": self.measured.committed,
                "superseded": list(self.measured.superseded),
                "other_engines": self.measured.others,
                "notes": self.notes,
                "gpus": self.gpus,
                "fused": {unit: name for unit, name in self.names.items() if unit != name},
                "measured": [asdict(f) for f in self.figures.values()],
                "sizes": [_size_json(size) for size in self.sizes],
            }
        )


def outlook(
    pipeline: Pipeline, measured_in: Pipeline, store: ObjectStore, rows: int | None = None, gpus: int | None = None
) -> Outlook:
    """The estimate for `pipeline` from what stands in `store`, built with `measured_in` (the same, or a pilot).

    Raises ConfigError where nothing is built there.
    """
    measured = read_samples(measured_in, store)
    figures = e.measured(measured.samples)
    if not figures:
        raise ConfigError(
            f"{store.url}: no shard is built there, so there is nothing to estimate from; "
            "measure with --pilot 50, or name an earlier build with --root"
        )
    maker, notes = _Maker(pipeline, segments(pipeline), figures, gpus), []
    own = own_rows(pipeline, figures, rows, notes)
    clips = own_clips(pipeline, figures, notes)
    title = f"{sum(own.values()):,.0f} rows"
    sizes = [
        maker.size(title, own, None, clips, candidates(pipeline)),
        maker.size("the paper's size", own, e.PAPER_DIALOGUES, clips, candidates(pipeline, e.PAPER_USERS)),
    ]
    if wanted := dialogues_for_targets(pipeline, figures):
        sizes.insert(1, maker.size("the target hours", own, wanted, clips, candidates(pipeline)))
    names = {unit.name: str(unit) for unit in pipeline.units}
    return Outlook(measured, figures, sizes, gpus, notes, names)


class _Maker:
    def __init__(
        self,
        pipeline: Pipeline,
        segments: Sequence[Sequence[Unit]],
        figures: Mapping[tuple[str, str | None], Figures],
        gpus: int | None,
    ) -> None:
        self._pipeline, self._figures, self._gpus = pipeline, figures, gpus
        self._segments = [[unit.name for unit in segment] for segment in segments]
        self._chains = chains(pipeline)

    def size(
        self,
        title: str,
        rows: Mapping[str, float],
        wanted: int | Mapping[str, float] | None,
        clips: Mapping[str, float],
        voices: float,
    ) -> Size:
        """`rows` per language go in; with `wanted`, so many that they give `wanted` dialogues: together, or by language
        (of a language without a wish all its rows go in)."""
        size = Size(title, {})
        self._dialogue_chain(size, rows, wanted)
        self._voice_chain(size, clips, voices)
        return self._timed(size)

    def _dialogue_chain(self, size: Size, rows: Mapping[str, float], wanted: int | Mapping[str, float] | None) -> None:
        chain = self._chains.first
        shares = {language: self._known(size, chain, language) for language in rows}
        whole = {language for language in rows if len(shares[language]) == len(chain)}
        if isinstance(wanted, int) and (missing := set(rows) - whole):
            size.unknown.append(f"{wanted:,} dialogues ({', '.join(sorted(missing))} is not measured to the end)")
            return
        rounds = {language: self._rounds(size, language, shares[language]) for language in whole}
        of_first = {language: e.share_of_first(rounds[language]) for language in whole}
        ends = {x: math.prod(s.mid for s in shares[x]) * rows[x] / (of_first[x] or 1.0) for x in whole}
        total = sum(ends.values())
        for language, count in rows.items():
            if isinstance(wanted, int):  # the languages' shares of the dialogues are what this input gives
                part = wanted * (ends[language] / total if total else 1 / len(rows))
                found = e.rows_backward(shares[language], part * of_first[language])
            elif wanted and language in wanted:
                found = e.rows_backward(shares[language], wanted[language] * of_first.get(language, 1.0))
            else:
                found = e.rows_forward(shares[language], count)
            size.rows[language] = found[0]
            self._lines(size, chain, language, found)
            if language in whole:
                self._spoken(size, language, found, rounds[language])

    def _rounds(self, size: Size, language: str, first: Sequence[Range]) -> list[Sequence[Range]]:
        """Shares of the rounds that get rows and are measured to their end, the first one's included."""
        rounds: list[Sequence[Range]] = [first[len(self._chains.text) :]]
        for units in self._chains.speech[1:]:
            if e.product(rounds[-1]).mid == 1:
                break
            shares = self._known(size, units, language)
            if len(shares) < len(units):
                break
            rounds.append(shares)
        return rounds

    def _spoken(self, size: Size, language: str, first: Sequence[Range], rounds: Sequence[Sequence[Range]]) -> None:
        """Lines of the later rounds; dialogues and hours of all."""
        ends = [first[-1]]
        for units, found in zip(
            self._chains.speech[1:], e.rounds_after(rounds, first[len(self._chains.text)]), strict=False
        ):
            self._lines(size, units, language, found)
            ends.append(found[-1])
        size.dialogues[language] = sum(ends, e.ZERO)
        hours = (
            end * (self._figures[(units[-1], language)].audio / 3600)
            for units, end in zip(self._chains.speech, ends, strict=False)
        )
        size.audio_hours[language] = sum(hours, e.ZERO)

    def _voice_chain(self, size: Size, clips: Mapping[str, float], voices: float) -> None:
        per_clip = [u for u in self._chains.voices if u in ("corpus", "clips")]
        mined = e.ZERO
        for language, count in clips.items():
            shares = self._known(size, per_clip, language)
            found = e.rows_forward(shares, count)
            self._lines(size, per_clip, language, found)
            if len(shares) == len(per_clip):
                mined += found[-1]
        reduce = [u for u in self._chains.voices if u in ("speakers", "blend")]
        self._lines(size, reduce, None, e.rows_forward(self._known(size, reduce, None), 1.0), scale=mined)
        heard = [u for u in self._chains.voices if u in ("audition", "voices")]
        self._lines(size, heard, None, e.rows_forward(self._known(size, heard, None), voices))

    def _known(self, size: Size, chain: Sequence[str], language: str | None) -> list[Range]:
        """Shares of the chain's units up to the first that has no figures; that one is put down as unknown."""
        shares = []
        for unit in chain:
            figures = self._figures.get((unit, language))
            if figures is None:
                after = chain[chain.index(unit) :]
                size.unknown.append(f"{', '.join(after)}{f' ({language})' if language else ''}")
                break
            shares.append(figures.share)
        return shares

    def _lines(
        self, size: Size, chain: Sequence[str], language: str | None, rows: Sequence[Range], scale: Range | None = None
    ) -> None:
        for unit, into in zip(chain, rows[: len(rows) - 1], strict=False):
            figures = self._figures[(unit, language)]
            into = into * scale if scale else into
            hours = into * figures.seconds * (1 / 3600)
            size.lines.append(Line(unit, language, into, hours, self._of(unit).num_gpus, into * figures.size))

    def _of(self, unit: str) -> Resources:
        return self._pipeline.resources_of(self._pipeline.unit_of(unit).first)

    def _timed(self, size: Size) -> Size:
        hours: dict[str, Range] = {}
        for line in size.lines:
            hours[line.unit] = hours.get(line.unit, e.ZERO) + line.actor_hours
        pools = {unit: self._pool(unit, size) for unit in hours}
        try:
            wall, actors = e.wall_hours(self._segments, hours, pools, self._gpus)
        except e.TooFewGPUs as error:
            return replace(size, too_small=str(error))
        return replace(size, wall=wall, actors=actors)

    def _pool(self, unit: str, size: Size) -> Pool:
        """No more actors than shards."""
        rows = sum(line.rows.mid for line in size.lines if line.unit == unit)
        per_shard = {
            "corpus": self._pipeline.speech.shard_size,
            "clips": self._pipeline.speech.shard_size,
            "audition": self._pipeline.speech.audition_shard_size,
        }.get(unit, self._pipeline.instructions.shard_size)
        if unit not in self._chains.voices:
            rows = sum(r.mid for r in size.rows.values())  # a shard keeps its number however few rows are left in it
        shards = 1 if unit in ("speakers", "blend", "voices") else math.ceil(min(rows, 1e12) / per_shard)
        wanted = self._of(unit)
        most = max(1, min(wanted.max_actors, shards))
        return Pool(wanted.num_gpus, min(wanted.min_actors, most), most)


def _size_json(size: Size) -> dict[str, Any]:
    lines = [{**asdict(line), "gpu_hours": asdict(line.gpu_hours)} for line in size.lines]
    totals = {what: asdict(size.total(what)) for what in ("actor_hours", "gpu_hours", "storage")}
    return {**asdict(size), "lines": lines, "totals": totals}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
