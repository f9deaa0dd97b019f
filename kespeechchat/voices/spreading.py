"""Several voices of one pair of parents: voices of a table, chosen far apart and shared out among the pairs.

Blends of one pair sound alike, and so do a TTS's likenesses of a few people. So the voices come from a table of what
the TTS speaks well with. The first is the one furthest from every real speaker, each next one the one whose nearest
neighbour, real speaker or voice, is furthest (farthest-first traversal). Then each candidate of a pair gets the
voice that is like its parents, the whole of the candidates together as well as can be (linear assignment): by the
x-vector of their blend and by their speaking rate. Candidates for agents, who speak half of everything, get those that
were misheard least, where the table knows. What this choice hears with is the encoder that mined the people; who
judges it is the auditor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kespeechchat.voices.blending import BlendError, Candidate, Speaker

_FIRST = 100  # how much more an agent's clearness weighs than likeness to its parents
_DIGITS = 5  # of a cosine: what float32 arithmetic gives alike on every machine


@dataclass(frozen=True)
class Stock:
    """N voices to choose from: `embeddings` float32 [N, E], `xvectors` float32 [N, D] unit, `rates` float32 [N] in
    seconds per character, `misheard` float32 [N], a share from 0 to 1, where it is known."""

    embeddings: np.ndarray
    xvectors: np.ndarray
    rates: np.ndarray
    misheard: np.ndarray | None = None


def spread(
    candidates: Sequence[Candidate],
    speakers: Sequence[Speaker],
    stock: Callable[[str, str], Stock],
    allow_fewer: bool = False,
) -> list[Candidate]:
    """The candidates in their order, each with a voice of `stock(language, gender)` as its embedding, none twice, and
    with that voice's `place` in the order of choice: the later it was chosen, the nearer it is to others.

    Every candidate has a language. Raises BlendError where a stock holds fewer voices than it has candidates, unless
    `allow_fewer`: then the last ones are left out.
    """
    groups: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.language is None:
            raise BlendError("blending: `spread` has voices of one language each: set `same_language: true`")
        groups[candidate.language, candidate.gender].append(candidate)
    by_name = {s.recording: s for s in speakers}
    given: dict[str, Candidate] = {}
    for (language, gender), members in sorted(groups.items()):
        voices = stock(language, gender)
        if len(voices.rates) < len(members) and not allow_fewer:
            raise BlendError(_too_few(language, gender, len(members), len(voices.rates)))
        members = members[: len(voices.rates)]
        people = [s.xvector for s in speakers if s.gender == gender and s.xvector is not None]
        chosen = farthest_first(voices.xvectors, np.array(people, dtype=np.float32), len(members))
        given |= {c.id: c for c in _shared_out(members, by_name, voices, chosen)}
    return [given[c.id] for c in candidates if c.id in given]


def farthest_first(vectors: np.ndarray, taken: np.ndarray, count: int) -> np.ndarray:
    """Indices int64 [min(count, N)] into unit `vectors` float32 [N, D], in the order of choice: each the one whose
    highest cosine, to `taken` [M, D] and to those chosen before it, is lowest; of equal ones the first.

    Without anything taken the first is the one least like all the others together.
    """
    if len(taken):
        nearest = (vectors @ taken.T).round(_DIGITS).max(axis=1)
    else:
        nearest = (vectors @ vectors.mean(axis=0, dtype=np.float64)).round(_DIGITS)
    chosen: list[int] = []
    free = np.ones(len(vectors), dtype=bool)
    while len(chosen) < min(count, len(vectors)):
        pick = int(np.where(free, nearest, np.inf).argmin())
        own = (vectors @ vectors[pick]).round(_DIGITS)
        nearest = own if not chosen and not len(taken) else np.maximum(nearest, own)
        chosen.append(pick)
        free[pick] = False
    return np.array(chosen, dtype=np.int64)


def assign(likeness: np.ndarray) -> np.ndarray:
    """For each row of `likeness` float [n, m], n <= m, a column of its own (int64 [n]), with the greatest sum."""
    from scipy.optimize import linear_sum_assignment

    columns: np.ndarray = linear_sum_assignment(likeness.round(_DIGITS), maximize=True)[1].astype(np.int64)
    return columns


def _shared_out(
    members: Sequence[Candidate], people: Mapping[str, Speaker], voices: Stock, chosen: np.ndarray
) -> list[Candidate]:
    """Each candidate with the voice of `chosen` that is like its parents."""
    blends = [_blend(candidate, people) for candidate in members]
    rates = np.array([candidate.seconds_per_character for candidate in members])
    near = -np.abs(_standard(rates)[:, None] - _standard(voices.rates[chosen])[None])
    if all(blend is not None for blend in blends):
        near = near + _standard(np.stack([b for b in blends if b is not None]) @ voices.xvectors[chosen].T)
    if voices.misheard is not None:
        agents = np.array([candidate.role == "agent" for candidate in members])
        near = near - _FIRST * agents[:, None] * _standard(voices.misheard[chosen])[None]
    places = assign(near).tolist()
    return [replace(c, embedding=voices.embeddings[chosen[p]], place=p) for c, p in zip(members, places, strict=True)]


def _blend(candidate: Candidate, people: Mapping[str, Speaker]) -> np.ndarray | None:
    """The parents' x-vectors, mixed by their weights; float64 [D], unit length."""
    vectors = [people[name].xvector for name in candidate.parents]
    if any(vector is None for vector in vectors):
        return None
    mixed = np.asarray(candidate.weights) @ np.array(vectors, dtype=np.float64)
    unit: np.ndarray = mixed / np.linalg.norm(mixed)
    return unit


def _standard(values: np.ndarray) -> np.ndarray:
    """With a mean of 0 and a spread of 1, so that unlike quantities weigh alike; all alike: zeros."""
    exact = np.asarray(values, dtype=np.float64)
    scale = float(exact.std())
    standard: np.ndarray = (exact - exact.mean()) / (scale if scale > 1e-9 else 1.0)
    return standard


def _too_few(language: str, gender: str, wanted: int, there: int) -> str:
    return (
        f"blending: {wanted} {gender} candidates that speak {language}, and `spread` has {there} such voices: lower "
        "`users`, `oversample` or `agent_candidates`, or set `allow_fewer: true`"
    )
