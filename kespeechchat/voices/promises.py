"""What a voice library promises, held against the library itself: balanced, nobody's, unlike each other, blended once.

Pure functions on columns; `measure_again` repeats the privacy measure instead of trusting what stage `voices` wrote.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kespeechchat.config.voices import BlendingSettings, PrivacySettings
from kespeechchat.display import counted
from kespeechchat.records import LANGUAGES
from kespeechchat.voices.blending import GENDERS, targets
from kespeechchat.voices.columns import matrices
from kespeechchat.voices.privacy import RealClips, cell_of, diversity, mean_xvector, nearest, voice_limit

COLUMNS = (
    *("role", "language", "gender", "split", "parents", "weights", "xvectors"),
    *("nearest_speaker", "nearest_speaker_cosine", "nearest_voice", "nearest_voice_cosine"),
)
_QUANTILES = (0.0, 0.01, 0.05, 0.5, 0.95, 0.99, 1.0)
_EDGES = np.linspace(-1, 1, 201)  # of the similarities' histogram: 0.01 wide
_FEW = 2000  # voices whose pairs are measured one by one
_DIGITS = 5  # of a cosine
_UNEVEN = 0.02  # of a split's voices: what genders may differ by, beside one voice


@dataclass(frozen=True)
class Promise:
    """One promise of the voice library: its name, whether it holds, and the figures behind it."""

    name: str
    holds: bool
    told: str


@dataclass(frozen=True)
class Library:
    """Kept rows of stage `voices`: plain columns as dicts, `probes` float32 [P_i, D] per voice, `means` [n, D] unit."""

    rows: list[dict[str, Any]]
    probes: list[np.ndarray]
    means: np.ndarray

    @classmethod
    def of(cls, table: pa.Table) -> Library:
        """From a table with `id` and COLUMNS. Raises ValueError where it is empty."""
        if not len(table):
            raise ValueError("the voice library is empty")
        probes = matrices(table["xvectors"])
        plain = table.drop_columns(["xvectors"]).to_pylist()
        return cls(plain, probes, np.stack([mean_xvector(p) for p in probes]))


def measure_again(library: Library, real: RealClips, block: int) -> list[float]:
    """Per voice, the highest cosine of any probe to any real clip, computed anew."""
    found = nearest(np.concatenate(library.probes), real.xvectors, block).cosine
    starts = np.cumsum([0, *(len(p) for p in library.probes)])
    highest: list[float] = np.maximum.reduceat(found, starts[:-1]).tolist()
    return highest


def report(
    library: Library, blending: BlendingSettings, privacy: PrivacySettings, again: Sequence[float] | None = None
) -> dict[str, Any]:
    """Figures, and `promises` with whether each holds. `again`: what `measure_again` gave."""
    rows = library.rows
    alike = likeness(library, privacy.block)
    margins = _privacy(rows, privacy)
    promises = [
        _balanced(rows),
        _blended(rows, blending),
        _pairs_once(rows, blending.voices_per_pair),
        _parents_apart(rows),
        _private(rows, privacy, margins),
        _distinct(library, privacy),
        *_spread(alike, privacy),
    ]
    if again is not None:
        promises.append(_as_recorded(rows, again))
    return {
        "voices": {role: sum(r["role"] == role for r in rows) for role in ("user", "agent")},
        "genders": _genders(rows),
        "missing": _missing(rows, blending),
        "privacy": margins,
        "diversity": alike,
        "promises": [vars(p) for p in promises],
    }


def _genders(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Female and male voices of each role, split and language (None: they speak every language)."""
    cells = Counter((r["role"], r["split"], r["language"], r["gender"]) for r in rows)
    keys = sorted({cell[:3] for cell in cells}, key=lambda c: tuple(map(str, c)))
    names = ("role", "split", "language")
    return [dict(zip(names, k, strict=True)) | {g: cells[*k, g] for g in GENDERS} for k in keys]


def _balanced(rows: Sequence[Mapping[str, Any]]) -> Promise:
    uneven = []
    for cell in _genders(rows):
        female, male = (cell[g] for g in GENDERS)
        if abs(female - male) > max(1, _UNEVEN * (female + male)):
            where = " ".join(filter(None, (cell["role"], cell["split"], cell["language"])))
            uneven.append(f"{where}: {female} female, {male} male")
    return Promise("as many female as male voices", not uneven, "; ".join(uneven) or "in every split and language")


def _blended(rows: Sequence[Mapping[str, Any]], blending: BlendingSettings) -> Promise:
    low, high = blending.weight_min, blending.weight_max
    bad = [
        r["id"]
        for r in rows
        if len(set(r["parents"])) != 2 or not all(low - 1e-4 <= w <= high + 1e-4 for w in r["weights"])
    ]
    told = f"weights {low} to {high}" if not bad else f"{len(bad)} are not, e.g. {', '.join(bad[:3])}"
    name = "each voice chosen for two people" if blending.spread else "each voice blended of two people"
    return Promise(f"{name}, neither of them mostly", not bad, told)


def _pairs_once(rows: Sequence[Mapping[str, Any]], most: int) -> Promise:
    pairs = Counter(tuple(sorted(r["parents"])) for r in rows)
    over = sorted(pair for pair, n in pairs.items() if n > most)
    told = f"{len(over)} are, e.g. {' + '.join(over[0])}" if over else f"{counted(len(pairs), 'pair')}"
    name = "no pair of parents used twice" if most == 1 else f"no pair of parents used more than {most} times"
    return Promise(name, not over, told)


def _parents_apart(rows: Sequence[Mapping[str, Any]]) -> Promise:
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for parent in row["parents"]:
            splits[parent].add(row["split"])
    shared = sorted(p for p, own in splits.items() if len(own) > 1)
    told = f"{len(shared)} do, e.g. {shared[0]}" if shared else f"{counted(len(splits), 'speaker')}"
    return Promise("no real speaker stands behind two splits", not shared, told)


def _privacy(rows: Sequence[Mapping[str, Any]], privacy: PrivacySettings) -> dict[str, Any]:
    cosines = np.array([r["nearest_speaker_cosine"] for r in rows], dtype=np.float64)
    margins = (privacy.speaker_threshold - cosines).round(5)
    closest = rows[int(margins.argmin())]
    return {
        "same_speaker_threshold": privacy.speaker_threshold,
        "margin": _quantiles(margins),
        "nearest_speaker_cosine": _quantiles(cosines),
        "closest": {k: closest[k] for k in ("id", "nearest_speaker", "nearest_speaker_cosine")},
        "nearest_speaker_is_a_parent": round(float(np.mean([r["nearest_speaker"] in r["parents"] for r in rows])), 4),
    }


def _private(rows: Sequence[Mapping[str, Any]], privacy: PrivacySettings, figures: Mapping[str, Any]) -> Promise:
    close = [r["id"] for r in rows if round(privacy.speaker_threshold - r["nearest_speaker_cosine"], 5) <= 0]
    told = f"{len(close)} are not, e.g. {', '.join(close[:3])}" if close else f"least margin {figures['margin']['0']}"
    return Promise("each voice is further from every real speaker than one person's clips are", not close, told)


def _distinct(library: Library, privacy: PrivacySettings) -> Promise:
    """Of each two voices, measured anew and as stage `voices` recorded them."""
    rows, name = library.rows, "no two voices sound like one"
    if len(rows) < 2:
        return Promise(name, True, "there is one")
    now = nearest(library.means, library.means, privacy.block, but_itself=True).cosine.tolist()
    worst = [max(c, r["nearest_voice_cosine"] or -1.0) for c, r in zip(now, rows, strict=True)]
    limits = [voice_limit(privacy, r["language"]) for r in rows]
    over = [r["id"] for r, c, limit in zip(rows, worst, limits, strict=True) if round(c, _DIGITS) >= limit]
    told = f"the two most alike have {max(worst):.3f}, one voice from {_limits(privacy)}"
    return Promise(name, not over, told + (f": {len(over)} are, e.g. {', '.join(over[:3])}" if over else ""))


def _limits(privacy: PrivacySettings) -> str:
    limits = privacy.voice_threshold
    return ", ".join(f"{v} ({k})" for k, v in sorted(limits.items())) if isinstance(limits, dict) else str(limits)


def _spread(alike: Mapping[str, Mapping[str, Any]], privacy: PrivacySettings) -> list[Promise]:
    """One promise for each language that has one: of the voices of each gender."""
    promises = []
    for language, wanted in sorted(privacy.spread.items()):
        mine = {k: s for k, s in alike.items() if k.endswith(f" {language}") and s["pairs"]}
        if not mine:
            continue
        holds = all(s["median"] <= wanted.median and s["p95"] <= wanted.p95 for s in mine.values())
        told = "; ".join(f"{k}: {s['median']:.3f} and {s['p95']:.3f}" for k, s in mine.items())
        most = f"at most {wanted.median} and {wanted.p95}"
        promises.append(
            Promise(f"voices of {language} are unlike each other, in the median and at 95 %", holds, f"{told}; {most}")
        )
    return promises


def _as_recorded(rows: Sequence[Mapping[str, Any]], again: Sequence[float]) -> Promise:
    off = [r["id"] for r, cosine in zip(rows, again, strict=True) if abs(r["nearest_speaker_cosine"] - cosine) > 1e-3]
    told = f"{len(off)} are not, e.g. {', '.join(off[:3])}" if off else f"{counted(len(again), 'voice')} measured anew"
    return Promise("the recorded similarities to real speakers are what the clips give", not off, told)


def likeness(library: Library, block: int) -> dict[str, Any]:
    """Similarity of the voices' speech (cosine): of `all` pairs, of each gender's, of each `GENDER LANGUAGE`'s. Only
    the rows' x-vectors, genders and languages are read."""
    found = {"all": _similarities(library.means, block)}
    for gender in GENDERS:
        mine = [i for i, row in enumerate(library.rows) if row["gender"] == gender]
        found[gender] = _similarities(library.means[mine], block)
    for language in sorted({row["language"] for row in library.rows} - {None}):
        for gender in GENDERS:
            here = [i for i, r in enumerate(library.rows) if (r["gender"], r["language"]) == (gender, language)]
            found[f"{gender} {language}"] = _similarities(library.means[here], block)
    return found


def _similarities(means: np.ndarray, block: int) -> dict[str, Any]:
    spread = diversity(means, _EDGES, block)
    counts = np.array(spread.pop("histogram"))
    filled = np.flatnonzero(counts)
    histogram = {f"{_EDGES[i + 1]:.2f}": int(counts[i]) for i in filled}
    if spread["pairs"]:
        upper = np.searchsorted(np.cumsum(counts), [q * spread["pairs"] for q in _QUANTILES[1:-1]])
        at = {f"{q:g}": round(float(_EDGES[i + 1]), 2) for q, i in zip(_QUANTILES[1:-1], upper, strict=True)}
        spread |= {"mean": round(spread["mean"], 4), "highest": round(spread["highest"], 5), "quantiles": at}
        spread |= _exact(means) if len(means) <= _FEW else {"median": at["0.5"], "p95": at["0.95"]}
    return {**spread, "histogram": histogram}


def _exact(means: np.ndarray) -> dict[str, float]:
    """Median and 95th percentile of the pairs' cosines, which the histogram has to 0.01 alone."""
    cosines = (means @ means.T)[np.triu_indices(len(means), 1)]
    return {"median": round(float(np.median(cosines)), 4), "p95": round(float(np.quantile(cosines, 0.95)), 4)}


def _missing(rows: Sequence[Mapping[str, Any]], blending: BlendingSettings) -> dict[str, int]:
    """Voices that the profile asks for and the library lacks, by cell."""
    made = Counter(cell_of(r) for r in rows)
    languages = {r["language"] for r in rows} - {None} or set(LANGUAGES)
    return {str(cell): n - made[cell] for cell, n in targets(blending, languages).items() if made[cell] < n}


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {f"{q:g}": round(float(v), 5) for q, v in zip(_QUANTILES, np.quantile(values, _QUANTILES), strict=True)}
