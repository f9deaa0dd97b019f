"""Which auditioned candidates become voices: nobody's voice, intelligible, and unlike each other.

A blend of two embeddings says nothing about privacy; its synthesized speech does. So each probe sentence's x-vector is
held against every real speaker's clips, in blocks: 42,000 voices of two probes against 50,000 clips are 4·10¹² floating
point operations and a few MB at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kespeechchat.config.base import pick
from kespeechchat.config.voices import PrivacySettings
from kespeechchat.records import LANGUAGES, Outcome, rejected
from kespeechchat.seeds import stable_hash
from kespeechchat.voices.blending import Cell

OWN_VOICE = "own_voice"  # head of a turn's score: its cosine to its own voice, by the auditor
_DIGITS = 5  # of a cosine: what float32 arithmetic gives alike whatever the blocks


@dataclass(frozen=True)
class Nearest:
    """Per query: the highest cosine (float32 [Q], rounded to 5 digits) and the index of that key (int64 [Q])."""

    cosine: np.ndarray
    index: np.ndarray


@dataclass(frozen=True)
class RealClips:
    """Clips of real people, as the measuring encoder hears them: `xvectors` float32 [K, D] unit, `owners` [K]."""

    xvectors: np.ndarray
    owners: Sequence[str]


def nearest(queries: np.ndarray, keys: np.ndarray, block: int = 1024, *, but_itself: bool = False) -> Nearest:
    """The most similar key of each query; both float32, unit length, [Q, D] and [K, D]. Memory: 8·block² floats.

    `but_itself`: queries are the keys, and a row is not its own neighbour. Without any key the cosine is −inf.
    """
    best = np.full(len(queries), -np.inf, dtype=np.float32)
    index = np.zeros(len(queries), dtype=np.int64)
    for q in range(0, len(queries), block):
        rows = slice(q, q + block)
        for k in range(0, len(keys), 8 * block):
            cosines = queries[rows] @ keys[k : k + 8 * block].T
            if but_itself:
                np.fill_diagonal(cosines[max(0, k - q) :, max(0, q - k) :], -np.inf)
            at = cosines.argmax(axis=1)
            value = cosines[np.arange(len(at)), at]
            better = value > best[rows]
            best[rows] = np.where(better, value, best[rows])
            index[rows] = np.where(better, at + k, index[rows])
    return Nearest(best.round(_DIGITS), index)


def select(
    auditions: Sequence[Mapping[str, Any]],
    real: RealClips,
    targets: Mapping[Cell, int],
    settings: PrivacySettings,
    seed: int,
) -> list[Outcome]:
    """Chooses the voice library. One outcome per audition, never by arrival: agents first (one of them speaks in every
    dialogue), by error rate, by score (`best_by`), then `place`; users by `place`, cell, and score; each then by a
    stable rank.

    `auditions` are rows of stage `audition` whose `xvectors` are float32 [P, D] (or lists). Kept rows fill `targets`
    in its order. Reasons: `too_close_to_speaker`, `speaks_badly`, `too_like_another_voice`, `surplus`.
    Raises ValueError where `real` holds no clip.
    """
    order = {cell: i for i, cell in enumerate(targets)}

    def turn(row: Mapping[str, Any]) -> tuple[bool, float, float, float, float, int, str]:
        place, cell = row.get("place") or 0, order.get(cell_of(row), len(order))
        score, rank = -_score(row, settings.best_by), stable_hash(seed, "voices", row["id"])
        if row["role"] == "agent":
            wrong = round(row["error_rate"], 3)
            return False, wrong if wrong >= 0 else np.inf, score, place, cell, rank, row["id"]  # NaN comes last
        return True, place, cell, score, 0.0, rank, row["id"]

    rows = sorted(auditions, key=turn)
    if not rows:
        return []
    if len(real.xvectors) == 0:
        raise ValueError("nothing to compare with: no real speaker's clips were given")
    outcomes = list(_measured(rows, real, settings))
    means = np.stack([mean_xvector(r["xvectors"]) for r in rows])
    return _neighbours(_fill(outcomes, means, dict(targets), settings), means, settings)


def _score(row: Mapping[str, Any], head: str | None) -> float:
    """Rounded to 2 digits, so that a hair's breadth decides nothing; 0 without a head. Raises ValueError where it was
    not measured."""
    return 0.0 if head is None else round(_scores(row, (head,))[head], 2)


def _scores(row: Mapping[str, Any], heads: Iterable[str]) -> dict[str, float]:
    """The candidate's scores. Raises ValueError where one of `heads` was not measured."""
    scores = {score["head"]: score["value"] for score in row["scores"] or []}
    for head in heads:
        if head not in scores:
            raise ValueError(
                f"stages.voices.privacy: {head} was not measured in the auditions; there is "
                f"{', '.join(sorted(scores)) or 'no score'}: name a head of the engine in stages.audition.mos"
            )
    return scores


def voice_limit(settings: PrivacySettings, language: str | None) -> float:
    """The cosine at or above which a voice of `language` is one with another; of every language: the strictest."""
    if not isinstance(settings.voice_threshold, dict):
        return settings.voice_threshold
    if language is None:
        return min(settings.voice_threshold.values())
    return float(pick(settings.voice_threshold, language))


def cell_of(row: Mapping[str, Any]) -> Cell:
    """The cell that a row of `blend`, `audition` or `voices` counts in."""
    return Cell(row["role"], row["split"], row["gender"], row["language"])


def number_voices(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Final ids for kept voices: `SPK0001f`, … for users, `agentFemale` (or `agentFemale-zh`) for agents.

    Numbers follow the hash of the candidate, so they tell neither split nor language. The candidate's id moves to
    `candidate`; rejected rows keep theirs as `id`.
    """
    users = [o.row["id"] for o in outcomes if o.status == "kept" and o.row["role"] == "user"]
    users.sort(key=lambda i: (stable_hash("number", i), i))
    width = max(4, len(str(len(users))))
    number = {candidate: f"{n:0{width}d}" for n, candidate in enumerate(users, 1)}
    agents: dict[str, int] = {}
    names = {o.row["id"]: _name(o, number, agents) for o in outcomes}
    return [
        Outcome(
            {
                **o.row,
                "id": names[o.row["id"]],
                "candidate": o.row["id"],
                "nearest_voice": names.get(o.row["nearest_voice"]),
            },
            o.status,
            o.reason,
            o.detail,
        )
        for o in outcomes
    ]


def circularity(
    measuring: Mapping[str, str], mining: Mapping[str, str], projecting: Mapping[str, str]
) -> dict[str, Any]:
    """Whether the encoder that measures privacy took part in making the voices, for card and report.

    Each argument is an engine's `identity()`: of the encoder of the auditions, of the clips, and of the TTS embedder
    (which names in any of its values the encoder it works from). An encoder that made the voices sees what it aimed at.
    Where an identity is not known, `circular` is None.
    """
    model = measuring.get("model")
    if not (model and mining and projecting):
        note = (
            "Which encoders measured and made the voices is not recorded for the profile as it is now: take the "
            "privacy measure for circular."
        )
        return {"circular": None, "encoder": model, "also": [], "note": note}
    roles = [role for role, identity in (("mined", mining), ("projected", projecting)) if model in identity.values()]
    note = (
        f"The encoder that measured privacy ({model}) also {' and '.join(roles)} the voices: the measure is "
        "circular, and another encoder may find a voice closer to a person."
        if roles
        else f"The encoder that measured privacy ({model}) took no part in making the voices."
    )
    return {"circular": bool(roles), "encoder": model, "also": roles, "note": note}


def diversity(xvectors: np.ndarray, edges: Sequence[float] | np.ndarray, block: int = 1024) -> dict[str, Any]:
    """Distribution of the pairwise cosines of float32 [n, D] unit vectors: histogram over evenly spaced `edges` (what
    lies beyond counts in the outermost bins), mean, highest. 42,000 vectors make 9·10⁸ pairs."""
    bins, low = len(edges) - 1, np.float32(edges[0])
    scale = np.float32(bins / (edges[-1] - edges[0]))
    counts, total, highest = np.zeros(len(edges) - 1, dtype=np.int64), 0.0, -1.0
    for a in range(0, len(xvectors), block):
        for b in range(a, len(xvectors), block):
            cosines = xvectors[a : a + block] @ xvectors[b : b + block].T
            values = cosines[np.triu_indices(*((len(cosines), 1) if a == b else (0,)))] if a == b else cosines.ravel()
            places = ((values - low) * scale).astype(np.int32)  # a sixth of the time of np.histogram
            counts += np.bincount(np.clip(places, 0, bins - 1), minlength=bins)
            total += float(values.sum(dtype=np.float64))
            highest = max(highest, float(values.max(initial=-1.0)))
    pairs = len(xvectors) * (len(xvectors) - 1) // 2
    return {"pairs": pairs, "mean": total / pairs if pairs else None, "highest": highest, "histogram": counts.tolist()}


def _measured(rows: Sequence[Mapping[str, Any]], real: RealClips, settings: PrivacySettings) -> Iterator[Outcome]:
    """Each row with its nearest speaker and margin, refused where it is too close or speaks badly."""
    probes = [np.asarray(list(r["xvectors"]), dtype=np.float32) for r in rows]
    found = nearest(np.concatenate(probes), real.xvectors, settings.block)
    starts = np.cumsum([0, *(len(p) for p in probes)])
    for row, start, end in zip(rows, starts[:-1], starts[1:], strict=True):
        if start == end:
            raise ValueError(f"audition {row['id']}: no x-vectors; build stage audition again")
        worst = start + int(found.cosine[start:end].argmax())
        cosine = float(found.cosine[worst])
        margin = round(settings.speaker_threshold - cosine, _DIGITS)
        who = real.owners[found.index[worst]]
        measured = {**row, "nearest_speaker": who, "nearest_speaker_cosine": cosine, "privacy_margin": margin}
        measured |= {"nearest_voice": None, "nearest_voice_cosine": None}
        if margin <= 0:
            detail = f"{cosine:.3f} to {who}; same speaker from {settings.speaker_threshold}"
            yield rejected(measured, "too_close_to_speaker", detail)
        elif fault := _bad_speech(row, settings):
            yield rejected(measured, "speaks_badly", fault)
        else:
            yield Outcome(measured)


def _bad_speech(row: Mapping[str, Any], settings: PrivacySettings) -> str | None:
    """A voice of every language is held to the strictest error rate and the widest range of speaking rates."""
    tongues = [row["language"]] if row["language"] else LANGUAGES
    limit = min(pick(settings.max_error_rate, t) for t in tongues)
    ranges = [pick(settings.seconds_per_character, t) for t in tongues]
    slowest, fastest = max(r.max for r in ranges), min(r.min for r in ranges)
    errors, rate = row["error_rate"], row["spoken_seconds_per_character"]
    if not errors <= limit:  # also catches NaN
        return f"error rate {errors:.3f}, at most {limit}"
    if not fastest <= rate <= slowest:
        return f"{rate:.3f} s per character, must be {fastest}–{slowest}"
    if settings.min_scores:
        scores = _scores(row, settings.min_scores)
        for head, by_language in settings.min_scores.items():
            least = max((by_language[t] for t in tongues if t in by_language), default=-np.inf)
            if not scores[head] >= least:
                return f"{head} {scores[head]:.2f}, at least {least}"
    return None


def _fill(
    outcomes: list[Outcome], means: np.ndarray, room: dict[Cell, int], settings: PrivacySettings
) -> list[Outcome]:
    """Greedy, in order: a candidate that sounds like a voice already taken is refused, one without room is surplus.

    `means` float32 [n, D], unit length, of every outcome. Compares in blocks with the voices taken so far.
    """
    taken = np.empty_like(means)
    ids: list[str] = []
    done: list[Outcome] = []
    for start in range(0, len(outcomes), settings.block):
        block = slice(start, start + settings.block)
        before = nearest(means[block], taken[: len(ids)], settings.block) if ids else None
        known = len(ids)
        within = (means[block] @ means[block].T).round(_DIGITS)
        places: list[int] = []  # in this block, of the voices taken from it
        for i, outcome in enumerate(outcomes[block]):
            if outcome.status != "kept":
                done.append(outcome)
                continue
            like, cosine = (ids[before.index[i]], float(before.cosine[i])) if before else (None, -1.0)
            if places and (inner := within[i, places]).max() > cosine:
                like, cosine = ids[known + int(inner.argmax())], float(inner.max())
            outcome = _place(outcome, like, cosine, room, settings)
            if outcome.status == "kept":
                taken[len(ids)] = means[start + i]
                ids.append(outcome.row["id"])
                places.append(i)
            done.append(outcome)
    return done


def _neighbours(outcomes: list[Outcome], means: np.ndarray, settings: PrivacySettings) -> list[Outcome]:
    """The kept rows with their nearest voice of the whole library; `_fill` knew only the earlier ones."""
    kept = [i for i, o in enumerate(outcomes) if o.status == "kept"]
    if len(kept) < 2:
        return outcomes
    found = nearest(means[kept], means[kept], settings.block, but_itself=True)
    out = list(outcomes)
    for i, cosine, at in zip(kept, found.cosine, found.index, strict=True):
        neighbour = outcomes[kept[at]].row["id"]
        out[i] = Outcome({**outcomes[i].row, "nearest_voice": neighbour, "nearest_voice_cosine": float(cosine)})
    return out


def _place(
    outcome: Outcome, like: str | None, cosine: float, room: dict[Cell, int], settings: PrivacySettings
) -> Outcome:
    row = {**outcome.row, "nearest_voice": like, "nearest_voice_cosine": cosine if like else None}
    if like and cosine >= (limit := voice_limit(settings, row["language"])):
        return rejected(row, "too_like_another_voice", f"{cosine:.3f} to {like}; one voice from {limit}")
    cell = cell_of(row)
    if not room.get(cell):
        return rejected(row, "surplus", f"{cell} has all its voices")
    room[cell] -= 1
    return Outcome(row)


def mean_xvector(xvectors: Any) -> np.ndarray:
    """float32 [D], unit length: a voice, from the x-vectors [P, D] of its probe sentences. Voices are compared so."""
    mean = np.asarray(list(xvectors), dtype=np.float64).mean(axis=0)
    unit: np.ndarray = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    return unit


def _name(outcome: Outcome, number: Mapping[str, str], agents: dict[str, int]) -> str:
    row = outcome.row
    if outcome.status != "kept":
        return str(row["id"])
    if row["role"] == "user":
        return f"SPK{number[row['id']]}{row['gender'][0]}"
    base = f"agent{row['gender'].capitalize()}" + (f"-{row['language']}" if row["language"] else "")
    agents[base] = agents.get(base, 0) + 1
    return base if agents[base] == 1 else f"{base}{agents[base]}"
