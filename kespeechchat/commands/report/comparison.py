"""Two builds side by side: what a changed prompt, model or threshold did, as a whole and dialogue by dialogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from kespeechchat.commands.report.choice import AUDIO_BYTES, speech_of, whole
from kespeechchat.commands.report.contents import Build, tiles
from kespeechchat.commands.report.distributions import Row, rows
from kespeechchat.commands.report.drawing import Chart, Gate, Series, histogram
from kespeechchat.commands.report.survey import lowest_score
from kespeechchat.commands.why import settings_that_differ
from kespeechchat.display import percent
from kespeechchat.listening.dialogues import Heard

_PAIRS = {"changed": 8, "error": 4, "score": 4}  # dialogues of each kind that are shown
_SETTINGS = 40  # that are listed


@dataclass(frozen=True)
class Both:
    """A figure of both builds."""

    name: str
    here: str
    there: str


@dataclass(frozen=True)
class Pair:
    """One dialogue as both builds have it, with its speech."""

    here: Heard
    there: Heard
    note: str
    here_sources: Mapping[str, str]
    there_sources: Mapping[str, str]


@dataclass(frozen=True)
class Comparison:
    """`settings`: the lines in which the profiles differ. `verdicts`: (fate here, fate there) → dialogues that both
    have; `only`: dialogues that one alone has, of those looked at."""

    root: str
    name: str
    totals: tuple[Both, ...]
    settings: tuple[str, ...]
    more_settings: int
    stages: tuple[Both, ...]
    charts: tuple[Row, ...]
    voices: tuple[Chart, ...]
    verdicts: tuple[tuple[str, str, int], ...]
    shared: int
    only: tuple[int, int]
    error_change: str
    score_change: str
    pairs: tuple[tuple[str, tuple[Pair, ...]], ...]


@dataclass(frozen=True)
class _Brief:
    """What is kept in memory of a dialogue while the builds are compared."""

    shard: int
    language: str
    fate: str
    error_rate: float | None
    score: float | None


def compare(here: Build, there: Build) -> Comparison:
    """`here` is the build of the report, `there` the other one."""
    ours, theirs = _briefs(here), _briefs(there)
    shared = sorted(ours.keys() & theirs.keys())
    verdicts = Counter((ours[i].fate, theirs[i].fate) for i in shared)
    errors, scores = (
        [(i, a - b) for i in shared if (a := of(ours[i])) is not None and (b := of(theirs[i])) is not None]
        for of in (_error_rate, _score)
    )
    charts, _ = rows(here.pipeline, here.seen, there.seen)
    differing = list(settings_that_differ(there.pipeline, here.pipeline, (_digests(there), _digests(here))))
    return Comparison(
        root=there.build_state.store.url,
        name=there.pipeline.name,
        totals=tuple(_totals(here, there)),
        settings=tuple(differing[:_SETTINGS]),
        more_settings=max(len(differing) - _SETTINGS, 0),
        stages=tuple(_stages(here, there)),
        charts=tuple(charts),
        voices=tuple(_voices(here, there)),
        verdicts=tuple((a, b, n) for (a, b), n in sorted(verdicts.items(), key=lambda kv: (-kv[1], kv[0]))),
        shared=len(shared),
        only=(len(ours) - len(shared), len(theirs) - len(shared)),
        error_change=_change(errors, lambda v: percent(v, 2)),
        score_change=_change(scores, lambda v: f"{v:.3f}"),
        pairs=tuple(_pairs(here, there, ours, theirs, errors, scores)),
    )


def _digests(build: Build) -> dict[str, str]:
    """Path → digest of its content, of the build's inputs and local models."""
    manifests = build.build_state.manifests.values()
    inputs = {path: digest for m in manifests for segment in m.segments for digest, path in segment.inputs.items()}
    return inputs | (build.build_state.pipeline.contents or {})


def _error_rate(brief: _Brief) -> float | None:
    return brief.error_rate


def _score(brief: _Brief) -> float | None:
    return brief.score


def _briefs(build: Build) -> dict[str, _Brief]:
    """Dialogue id → brief, of the shards that the survey looked at."""
    found = {}
    for shard in build.shards:
        for heard in build.dialogues.of(shard, lineage=False):
            found[heard.id] = _Brief(shard, heard.language, heard.fate, heard.error_rate, lowest_score(heard))
    return found


def _totals(here: Build, there: Build) -> Iterator[Both]:
    ours, theirs = ({tile.name: tile.value for tile in tiles(build)} for build in (here, there))
    for name in {**ours, **theirs}:
        yield Both(name, ours.get(name, "–"), theirs.get(name, "–"))


def _stages(here: Build, there: Build) -> Iterator[Both]:
    """Kept rows and reasons of every stage in which the builds differ."""
    ours, theirs = ({s["name"]: s for s in build.found["stages"]} for build in (here, there))
    for name in {**ours, **theirs}:
        lines = []
        for stage in (ours.get(name), theirs.get(name)):
            if stage is None:
                lines.append("no such stage")
                continue
            ordered = sorted(stage["rejected"].items(), key=lambda kv: (-kv[1], kv[0]))
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in ordered)
            failed = f"; failed {stage['failed_rows']:,}" if stage["failed_rows"] else ""
            lines.append(f"{stage['kept']:,} of {stage['rows_in']:,} kept{': ' if reasons else ''}{reasons}{failed}")
        if lines[0] != lines[1]:
            yield Both(name, *lines)


def _voices(here: Build, there: Build) -> Iterator[Chart]:
    if here.voices is None or there.voices is None:
        return
    limit = here.pipeline.stages.voices.privacy.speaker_threshold
    same = [Gate(limit, f"same person {limit:g}")]
    for title, ours, theirs, gates in (
        ("Cosine to the nearest person", here.voices.nearest, there.voices.nearest, same),
        ("Cosine to the most alike voice", here.voices.others, there.voices.others, []),
    ):
        if len(ours) and len(theirs):
            series = (Series("here", "kept", ours), Series("there", "against", theirs, line=True))
            caption = f"medians {_median(ours)} here, {_median(theirs)} there"
            yield Chart(title, histogram(series, f"{title}: {caption}", gates), caption, series)


def _median(values: np.ndarray) -> str:
    return f"{np.median(values):.2f}"


def _change(differences: list[tuple[str, float]], form: Callable[[float], str]) -> str:
    if not differences:
        return ""
    lower, higher = sum(d < 0 for _, d in differences), sum(d > 0 for _, d in differences)
    mean = sum(d for _, d in differences) / len(differences)
    same = len(differences) - lower - higher
    if not lower and not higher:
        return f"the same in all {same:,}"
    counts = f"lower in {lower:,}, higher in {higher:,}, the same in {same:,}"
    if form(abs(mean)) == form(0.0):
        return f"{counts}; on average the same"
    return f"{counts}; on average {form(abs(mean))} {'lower' if mean < 0 else 'higher'}"


def _pairs(
    here: Build,
    there: Build,
    ours: Mapping[str, _Brief],
    theirs: Mapping[str, _Brief],
    errors: list[tuple[str, float]],
    scores: list[tuple[str, float]],
) -> Iterator[tuple[str, tuple[Pair, ...]]]:
    """Titles and dialogues: whose verdict changed, whose error rate and whose score changed most; each once."""
    budget, taken = AUDIO_BYTES // 3, set[str]()
    changed = [i for i in sorted(ours.keys() & theirs.keys()) if ours[i].fate != theirs[i].fate]
    kinds = {
        "changed": ("The verdict changed", changed),
        "error": ("The error rate changed most", [i for i, d in sorted(errors, key=lambda e: (-abs(e[1]), e[0])) if d]),
        "score": ("The score changed most", [i for i, d in sorted(scores, key=lambda e: (-abs(e[1]), e[0])) if d]),
    }
    for kind, (title, ids) in kinds.items():
        chosen = [i for i in ids if i not in taken][: _PAIRS[kind]]
        taken |= set(chosen)
        pairs = []
        for id_ in chosen:
            both = [whole(b.dialogues, id_, briefs[id_].shard) for b, briefs in ((here, ours), (there, theirs))]
            speech = [speech_of(b.dialogues, h) if budget > 0 else {} for b, h in zip((here, there), both, strict=True)]
            budget -= sum(len(url) for own in speech for url in own.values())
            pairs.append(Pair(both[0], both[1], _note(ours[id_], theirs[id_]), speech[0], speech[1]))
        if pairs:
            more = f" ({len(ids):,})" if kind == "changed" else ""
            yield f"{title}{more}", tuple(pairs)


def _note(ours: _Brief, theirs: _Brief) -> str:
    parts = []
    if ours.fate != theirs.fate:
        parts.append(f"{ours.fate} here, {theirs.fate} there")
    if ours.error_rate is not None and theirs.error_rate is not None:
        parts.append(f"error rate {percent(ours.error_rate, 1)} here, {percent(theirs.error_rate, 1)} there")
    if ours.score is not None and theirs.score is not None:
        parts.append(f"lowest score {ours.score:.2f} here, {theirs.score:.2f} there")
    return "; ".join(parts)
