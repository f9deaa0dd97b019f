"""Real speakers, mined from a corpus that knows recordings, not people (arXiv 2412.01078, section 3.2).

A recording (a video, a chapter) becomes a speaker when enough of its clips sound alike. The paper's own test, a number
of pairs over an x-vector threshold that grows with n while pairs grow with n², lets a recording of two speakers pass
from n = 11 on: two tight halves make more than 5·⌊n/2⌋ pairs. So by default one complete-linkage cluster must also hold
nearly all clips, and only its clips make the speaker.

Pure functions on arrays: no files, no engines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kespeechchat.config.voices import MiningSettings
from kespeechchat.records import Gender
from kespeechchat.seeds import stable_hash

_BOTH_GENDERS = (
    "voices of both are made: add recordings of the other gender, or set stages.speakers.mining.balance_genders: false "
    "and stages.blend.blending.allow_fewer: true"
)
CORPUS_HEAD = "corpus_dnsmos"  # the score that came with the corpus, beside the measured heads


@dataclass(frozen=True)
class Clips:
    """The measured clips of one recording, in any order.

    `xvectors` float32 [n, D], unit length; `tts_embeddings` float32 [n, E], raw; `seconds` and `characters` [n];
    `scores`, per clip the DNSMOS by name of the head (`corpus_dnsmos` is the corpus's own).
    """

    ids: Sequence[str]
    xvectors: np.ndarray
    tts_embeddings: np.ndarray
    seconds: np.ndarray
    characters: np.ndarray
    genders: Sequence[Gender]
    languages: Sequence[str]
    scores: Sequence[Mapping[str, float]]

    def take(self, rows: np.ndarray) -> Clips:
        """The clips at `rows`, int64 [m] in 0..n-1, in that order."""

        def taken(column: Any) -> Any:
            return column[rows] if isinstance(column, np.ndarray) else [column[i] for i in rows]

        return Clips(**{name: taken(getattr(self, name)) for name in self.__dataclass_fields__})


@dataclass(frozen=True)
class Mined:
    """One real speaker. `xvector` float32 [D] unit length, `tts_embedding` float32 [E] the plain mean of raw ones."""

    recording: str
    language: str
    gender: Gender
    clips: int
    core_clips: int
    pairs: int
    seconds_per_character: float
    xvector: np.ndarray
    tts_embedding: np.ndarray
    core_ids: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """A recording that is no speaker: a code, the figures behind it, and how far it came."""

    recording: str
    reason: str  # few_clips | few_pairs | mixed_speakers | unknown_gender | no_transcript | surplus_gender | one_gender
    detail: str
    clips: int = 0
    pairs: int = 0


def mine(recording: str, clips: Clips, settings: MiningSettings) -> Mined | Refused:
    """Decides whether one recording is one speaker, and who. Independent of the order of its clips."""
    clips = _sampled(recording, clips.take(np.argsort(np.asarray(clips.ids))), settings.max_clips)
    good = np.array([i for i, s in enumerate(clips.scores) if passes_score(s, settings)], dtype=int)
    found = Refused(recording, "", "", clips=len(good))
    if len(good) < settings.min_clips:
        return _because(
            found, "few_clips", f"{len(good)} of {len(clips.ids)} clips pass the score; {settings.min_clips} needed"
        )
    clips = clips.take(good)
    alike = _alike(clips.xvectors, settings.similarity)
    pairs = int(alike[np.triu_indices(len(good), 1)].sum())
    found = replace(found, pairs=pairs)
    if pairs < (needed := settings.pairs_needed(len(good))):
        return _because(
            found, "few_pairs", f"{pairs} pairs of {len(good)} clips over {settings.similarity}; {needed} needed"
        )
    core = np.arange(len(good))
    if settings.rule == "cluster":
        core = largest_cluster(clips.xvectors, settings.similarity)
        if len(core) < settings.cluster_share * len(good):
            share = f"the largest cluster holds {len(core)} of {len(good)} clips; {settings.cluster_share:.0%} needed"
            return _because(found, "mixed_speakers", share)
    return _speaker(found, clips.take(core), settings)


def passes_score(scores: Mapping[str, float], settings: MiningSettings) -> bool:
    """Whether a clip is clean enough: by the corpus's score, else by the measured head, else by `required`."""
    corpus, measured = scores.get(CORPUS_HEAD), settings.measured_score
    if corpus is not None:
        return corpus > settings.corpus_score.min
    if measured is None:
        return not settings.corpus_score.required
    return scores.get(measured.head, float("-inf")) > measured.min


def largest_cluster(xvectors: np.ndarray, similarity: float) -> np.ndarray:
    """int64 [m], rising: indices of the largest complete-linkage cluster (scipy) of unit `xvectors` float32 [n, D].

    All its pairs have a cosine above `similarity`.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(xvectors) < 2:
        return np.arange(len(xvectors))
    distances = 1 - _cosines(xvectors)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(np.maximum(distances, 0), checks=False), method="complete")
    labels = fcluster(tree, t=np.nextafter(1 - similarity, -1), criterion="distance")
    return np.flatnonzero(labels == np.bincount(labels).argmax())


def majority_gender(genders: Sequence[Gender], share: float) -> Gender:
    """The gender that more than `share` of all clips have (abstentions count against it), else unknown."""
    counts: Counter[Gender] = Counter(g for g in genders if g != "unknown")
    nobody: tuple[Gender, int] = ("unknown", 0)
    best, votes = max(sorted(counts.items()), key=lambda kv: kv[1], default=nobody)
    return best if votes > share * len(genders) else "unknown"


def speaking_rate(seconds: np.ndarray, characters: np.ndarray, step: float) -> float | None:
    """Mean seconds per character over `seconds` [n] and `characters` [n], rounded to `step` seconds; None where no clip
    has both. The paper (section 3.2) blends speakers of equal rate."""
    known = (characters > 0) & (seconds > 0)
    if not known.any():
        return None
    mean = float(seconds[known].sum(dtype=np.float64) / characters[known].sum())
    return round(round(mean / step) * step, 6)


def balance_genders(speakers: Sequence[Mined], seed: int) -> tuple[list[Mined], list[Refused]]:
    """As many female as male speakers: of the larger gender those with the lowest hash stay. Sorted by recording."""
    ranked = sorted(speakers, key=lambda s: (stable_hash(seed, "balance", s.recording), s.recording))
    sides = {g: [s for s in ranked if s.gender == g] for g in ("female", "male")}
    room = min(map(len, sides.values()))
    kept = sorted((s for side in sides.values() for s in side[:room]), key=lambda s: s.recording)
    surplus = sorted((s for side in sides.values() for s in side[room:]), key=lambda s: s.recording)
    reason, detail = "surplus_gender", "{} {} speakers, {} of the other gender"
    if not room:
        reason, detail = "one_gender", f"{detail}; {_BOTH_GENDERS}"
    refused = [
        Refused(s.recording, reason, detail.format(len(sides[s.gender]), s.gender, room), s.clips, s.pairs)
        for s in surplus
    ]
    return kept, refused


def _speaker(found: Refused, core: Clips, settings: MiningSettings) -> Mined | Refused:
    gender = majority_gender(core.genders, settings.gender_share)
    if gender == "unknown":
        return _because(found, "unknown_gender", f"clips say {dict(sorted(Counter(core.genders).items()))}")
    rate = speaking_rate(core.seconds, core.characters, settings.rate_step)
    if rate is None:
        return _because(found, "no_transcript", "no clip has a transcript, so there is no time per character")
    mean = core.xvectors.mean(axis=0, dtype=np.float64)
    return Mined(
        recording=found.recording,
        language=Counter(sorted(core.languages)).most_common(1)[0][0],
        gender=gender,
        clips=found.clips,
        core_clips=len(core.ids),
        pairs=found.pairs,
        seconds_per_character=rate,
        xvector=(mean / np.linalg.norm(mean)).astype(np.float32),
        tts_embedding=core.tts_embeddings.mean(axis=0, dtype=np.float64).astype(np.float32),
        core_ids=tuple(core.ids),
    )


def _because(found: Refused, reason: str, detail: str) -> Refused:
    return replace(found, reason=reason, detail=detail)


def _sampled(recording: str, clips: Clips, most: int) -> Clips:
    if len(clips.ids) <= most:
        return clips
    ranks = np.array([stable_hash("sample", recording, i) for i in clips.ids], dtype=np.uint64)
    return clips.take(np.sort(np.argsort(ranks, kind="stable")[:most]))


def _cosines(xvectors: np.ndarray) -> np.ndarray:
    exact = np.asarray(xvectors, dtype=np.float64)
    return exact @ exact.T


def _alike(xvectors: np.ndarray, similarity: float) -> np.ndarray:
    return _cosines(xvectors) > similarity
