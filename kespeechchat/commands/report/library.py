"""The voice library, drawn: who sounds like whom, and how far the voices keep from people and from each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kespeechchat.commands.report.drawing import Chart, Dot, Gate, Series, histogram, scatter
from kespeechchat.config.flow import LIBRARY
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import counted
from kespeechchat.records import KEPT, LANGUAGES
from kespeechchat.seeds import stable_hash
from kespeechchat.state.build_state import BuildState
from kespeechchat.store.shards import read_sound_record, read_table
from kespeechchat.voices.columns import matrices, matrix, people_of
from kespeechchat.voices.privacy import mean_xvector, voice_limit

_COLUMNS = (
    *("role", "language", "gender", "reason", "parents", "xvectors"),
    *("nearest_speaker", "nearest_speaker_cosine", "nearest_voice_cosine"),
)
_DOTS = {"voice": 900, "rejected": 300, "person": 400}  # that a map can show
_PEOPLE_SHARDS = 200  # of clips that are opened
_PAIRS = 1500  # voices of which every pair is compared


@dataclass(frozen=True)
class VoiceFigures:
    """`counts`: (role, gender) → voices; `people` who were mined or heard; `map` may be None, and then `why_no_map`."""

    voices: int
    counts: dict[tuple[str, str], int]
    people: int
    encoder: str
    map: Chart | None
    why_no_map: str
    charts: tuple[Chart, ...]
    nearest: np.ndarray
    others: np.ndarray


def voice_figures(build_state: BuildState) -> VoiceFigures | None:
    """Of the pinned library; None where none is pinned."""
    pin, pipeline = build_state.pin, build_state.pipeline
    if pin is None:
        return None
    record = read_sound_record(build_state.store, LIBRARY, pin.key)
    table = read_table(build_state.store, LIBRARY, record, _COLUMNS, kept_only=False)
    means = [_mean(probes) for probes in matrices_or_none(table["xvectors"])]
    rows = table.drop_columns(["xvectors"]).to_pylist()
    kept = [i for i, row in enumerate(rows) if row["status"] == KEPT]
    people = _people(build_state)
    nearest, others = (_values(rows, kept, name) for name in ("nearest_speaker_cosine", "nearest_voice_cosine"))
    drawn, why = _map(rows, means, people)
    return VoiceFigures(
        voices=len(kept),
        counts=dict(sorted(Counter((rows[i]["role"], rows[i]["gender"]) for i in kept).items(), reverse=True)),
        people=len(people),
        encoder=pipeline.stages.audition.speaker,
        map=drawn,
        why_no_map=why,
        charts=_cosines(pipeline, rows, kept, means),
        nearest=nearest,
        others=others,
    )


def matrices_or_none(column: pa.ChunkedArray) -> list[np.ndarray | None]:
    """As `voices.columns.matrices`, None where a row has no vectors."""
    valid = column.is_valid().to_numpy()
    found = iter(matrices(column.drop_null()))
    return [next(found) if there else None for there in valid.tolist()]


def _mean(probes: np.ndarray | None) -> np.ndarray | None:
    return mean_xvector(probes) if probes is not None and len(probes) else None


@dataclass(frozen=True)
class _Person:
    gender: str
    xvector: np.ndarray  # float32 [D], unit length


def _people(build_state: BuildState) -> dict[str, _Person]:
    """Person → the mean of their clips, as the encoder that hears the voices hears them."""
    unit = build_state.pipeline.unit_of("clips")
    column = "auditor_xvector" if build_state.pipeline.stages.clips.auditor else "xvector"
    sums: dict[str, np.ndarray] = {}
    genders: dict[str, Counter[str]] = defaultdict(Counter)
    done = sorted(build_state.done(unit.name), key=lambda order: stable_hash("report shard", order.key.shard))
    for order in done[:_PEOPLE_SHARDS]:
        record = build_state.standing_record(order)
        table = read_table(build_state.store, unit.name, record, ["recording", "speaker", "gender", column])
        table = table.filter(table[column].is_valid())
        if not len(table):
            continue
        for person, gender, vector in zip(
            people_of(table), table["gender"].to_pylist(), matrix(table[column]), strict=True
        ):
            sums[person] = sums[person] + vector if person in sums else vector.astype(np.float64)
            genders[person][gender or "unknown"] += 1
    return {
        p: _Person(genders[p].most_common(1)[0][0], (v / max(float(np.linalg.norm(v)), 1e-12)).astype(np.float32))
        for p, v in sorted(sums.items())
    }


def _map(
    rows: Sequence[Mapping[str, Any]], means: Sequence[np.ndarray | None], people: Mapping[str, _Person]
) -> tuple[Chart | None, str]:
    """People, voices and rejected candidates in the two directions in which they differ most."""
    spots: list[tuple[str, str, str, str, np.ndarray]] = []  # kind, css, shape, name, vector
    for row, mean in zip(rows, means, strict=True):
        if mean is not None:
            good = row["status"] == KEPT
            name = f"{row['id']}, {row['gender']}" if good else f"rejected: {row['reason']}, {row['gender']}"
            kind = "voice" if good else "rejected"
            spots.append((kind, f"{row['gender']} {kind}", "circle" if good else "cross", name, mean))
    for name, person in people.items():
        label = f"{name}, a person of the corpus, {person.gender}"
        spots.append(("person", f"{person.gender} person", "square", label, person.xvector))
    if len({len(s[4]) for s in spots}) > 1:
        return None, "the clips were measured by another encoder than the voices; build the voices again"
    if len(spots) < 3:
        return None, "there are too few voices and people to draw a map"
    drawn = []
    for kind, most in _DOTS.items():
        own = [s for s in spots if s[0] == kind]
        drawn += sorted(own, key=lambda s: stable_hash("report dot", s[3]))[:most]
    flat, share = _plane(np.stack([s[4] for s in drawn]).astype(np.float64))
    dots = [
        Dot(float(x), float(-y), css, shape, name) for (x, y), (_, css, shape, name, _) in zip(flat, drawn, strict=True)
    ]
    dots.sort(key=lambda d: {"cross": 0, "square": 1, "circle": 2}[d.shape])
    label = (
        f"Map of {counted(len(dots), 'voice or person', 'voices, people and rejected candidates')} by how they sound"
    )
    caption = f"The two directions in which the x-vectors differ most hold {share:.0%} of what differs."
    if len(dots) < len(spots):
        caption += f" {len(dots):,} of {len(spots):,} are drawn, by a hash of their names."
    return Chart("Who sounds like whom", scatter(dots, label), caption), ""


def _plane(vectors: np.ndarray) -> tuple[np.ndarray, float]:
    """float64 [n, D] → [n, 2] along the two directions of most variance, and the share of the variance they hold. The
    sign of a direction is fixed by its largest part, so that the map is the same on every machine."""
    centred = vectors - vectors.mean(axis=0)
    values, directions = np.linalg.eigh(centred.T @ centred)
    chosen = directions[:, [-1, -2]]
    chosen *= np.sign(chosen[np.abs(chosen).argmax(axis=0), [0, 1]])
    return centred @ chosen, float(values[-2:].sum() / max(values.sum(), 1e-12))


def _cosines(
    pipeline: Pipeline, rows: Sequence[Mapping[str, Any]], kept: Sequence[int], means: Sequence[np.ndarray | None]
) -> tuple[Chart, ...]:
    privacy = pipeline.stages.voices.privacy
    out = [i for i, row in enumerate(rows) if row["status"] != KEPT]
    same = Gate(privacy.speaker_threshold, f"same person {privacy.speaker_threshold:g}")
    nearest = (
        Series("voices", "kept", _values(rows, kept, "nearest_speaker_cosine")),
        Series("rejected candidates", "left", _values(rows, out, "nearest_speaker_cosine")),
    )
    charts = []
    if any(len(s.values) for s in nearest):
        caption = _spread_of(nearest[0].values, "voices")
        svg = histogram(nearest, f"Cosine to the nearest person. {caption}", [same])
        charts.append(Chart("Cosine to the nearest person", svg, caption, nearest))
    limits = {voice_limit(privacy, language): language for language in (*LANGUAGES,)}
    one = [Gate(at, f"one voice {at:g}") for at in limits]
    closest = (Series("voices", "kept", _values(rows, kept, "nearest_voice_cosine")),)
    if len(closest[0].values):
        caption = _spread_of(closest[0].values, "voices")
        svg = histogram(closest, f"Cosine to the most alike voice. {caption}", one)
        charts.append(Chart("Cosine to the most alike voice", svg, caption, closest))
    pairs = _pairs(rows, kept, means)
    if len(pairs):
        series = (Series("pairs", "kept", pairs),)
        caption = _spread_of(pairs, "pairs of one gender and language")
        svg = histogram(series, f"Cosine of two voices. {caption}", one)
        charts.append(Chart("Cosine of any two voices", svg, caption, series))
    return tuple(charts)


def _pairs(rows: Sequence[Mapping[str, Any]], kept: Sequence[int], means: Sequence[np.ndarray | None]) -> np.ndarray:
    """Cosines of all pairs of voices of one gender and language, of so many voices as can be compared at once."""
    groups: dict[tuple[Any, Any], list[np.ndarray]] = defaultdict(list)
    chosen = sorted(kept, key=lambda i: stable_hash("report pair", rows[i]["id"]))[:_PAIRS]
    for i in sorted(chosen):
        if (mean := means[i]) is not None:
            groups[rows[i]["gender"], rows[i]["language"]].append(mean)
    found = [np.zeros(0)]
    for vectors in groups.values():
        block = np.stack(vectors)
        found.append((block @ block.T)[np.triu_indices(len(block), 1)].astype(np.float64))
    return np.concatenate(found)


def _values(rows: Sequence[Mapping[str, Any]], places: Sequence[int], name: str) -> np.ndarray:
    return np.array([rows[i][name] for i in places if rows[i][name] is not None], dtype=np.float64)


def _spread_of(values: np.ndarray, what: str) -> str:
    if not len(values):
        return f"no {what}"
    return f"{len(values):,} {what}: median {np.median(values):.2f}, highest {values.max():.2f}"
