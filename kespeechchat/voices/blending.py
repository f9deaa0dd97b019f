"""Virtual voices: weighted means of two real speakers' TTS embeddings (arXiv 2412.01078, section 3.2).

Partners share gender, speaking rate and split, and a pair gives one voice, or `voices_per_pair` at most. Pairs are not
drawn but ranked, each by a hash of its two speakers: the lowest ranks win. So the choice depends on no order and no
random generator, and a speaker who joins later leaves the other pairs' ranks as they were. 5,000 speakers make some
10⁶ pairs that fit; they are ranked in one pass per rate bin.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from kespeechchat.config.voices import BlendingSettings
from kespeechchat.display import counted
from kespeechchat.records import Gender, Role, Split
from kespeechchat.seeds import mix, stable_hash, stable_hashes
from kespeechchat.voices.speaker_splits import SPLITS, largest_remainder

GENDERS: tuple[Gender, ...] = ("female", "male")
AGENT_SPLIT: Split = "train"  # agents speak in every split; their parents are never held-out speakers


class BlendError(ValueError):
    """The speakers cannot make the voices asked for. The message gives cell, supply and fix."""


@dataclass(frozen=True)
class Speaker:
    """A mined speaker. `tts_embedding` float32 [E], raw; `xvector` float32 [D], unit length, for `spreading`."""

    recording: str
    language: str
    gender: Gender
    split: Split
    seconds_per_character: float
    tts_embedding: np.ndarray
    xvector: np.ndarray | None = None


Ranked = tuple[int, str, str, "Speaker", "Speaker"]  # a pair: its rank, ids, speakers
Pool = tuple[Split, Gender, str | None]  # whom a speaker may be blended with; language None: anybody


@dataclass(frozen=True, order=True)
class Cell:
    """Voices that are counted together. `language` is None where a voice speaks every language."""

    role: Role
    split: Split
    gender: Gender
    language: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.role, self.split, self.gender, self.language)))


@dataclass(frozen=True)
class Candidate:
    """A voice to audition; the columns of stage `blend`."""

    id: str
    role: Role
    language: str | None
    gender: Gender
    split: Split
    parents: tuple[str, str]
    weights: tuple[float, float]
    embedding: np.ndarray
    seconds_per_character: float
    place: int | None = None

    def row(self) -> dict[str, Any]:
        """As a row of stage `blend`: its keys are those of `records.SCHEMAS["blend"]`."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**row, "parents": list(self.parents), "weights": list(self.weights)}


def targets(settings: BlendingSettings, languages: Iterable[str]) -> dict[Cell, int]:
    """How many voices each cell is to have: users half female, languages alike, agents one per gender (and language).

    In the order in which the cells are filled: agents, then the held-out voices, then training.
    """
    tongues: list[str | None] = [*sorted(set(languages))] if settings.same_language else [None]
    wanted = {
        Cell("agent", AGENT_SPLIT, gender, tongue): settings.agents_per_gender
        for gender in GENDERS
        for tongue in tongues
    }
    for split in reversed(SPLITS):
        shares = {f"{g} {t}": 1.0 for g in GENDERS for t in tongues}
        counts = largest_remainder(settings.users.get(split, 0), shares)
        wanted |= {Cell("user", split, g, t): counts[f"{g} {t}"] for g in GENDERS for t in tongues}
    return {cell: n for cell, n in wanted.items() if n}


def blend(speakers: Sequence[Speaker], settings: BlendingSettings, seed: int) -> list[Candidate]:
    """Candidates for every cell, oversampled; sorted by cell and rank, in any order of `speakers` the same.

    Raises BlendError where a cell's speakers make fewer pairs than its target, unless `allow_fewer`.
    """
    wanted = targets(settings, (s.language for s in speakers))
    pools = _pools(speakers, settings)
    used: Counter[tuple[str, str]] = Counter()
    candidates: list[Candidate] = []
    for cell, count in wanted.items():
        groups = pools.get((cell.split, cell.gender, cell.language), {})
        pairs = _lowest_pairs(groups, _wanted_candidates(cell, count, settings), settings, cell.role, seed, used)
        if len(pairs) < count and not settings.allow_fewer:
            raise BlendError(_shortage(cell, count, len(pairs), groups, settings))
        for a, b in pairs:
            candidates.append(_candidate(cell, a, b, settings, seed, used[a.recording, b.recording]))
            used[a.recording, b.recording] += 1
    return candidates


def rate_bin(seconds_per_character: float, width: float) -> int:
    """The bin of a speaking rate, counted in whole milliseconds so that float noise moves nobody."""
    return round(seconds_per_character * 1000) // max(1, round(width * 1000))


def _pools(speakers: Sequence[Speaker], settings: BlendingSettings) -> dict[Pool, dict[int, list[Speaker]]]:
    """(split, gender, language or None) → rate bin → speakers sorted by recording."""
    pools: dict[Pool, dict[int, list[Speaker]]] = defaultdict(lambda: defaultdict(list))
    for speaker in sorted(speakers, key=lambda s: s.recording):
        key = (speaker.split, speaker.gender, speaker.language if settings.same_language else None)
        pools[key][rate_bin(speaker.seconds_per_character, settings.rate_bin)].append(speaker)
    return pools


def _wanted_candidates(cell: Cell, count: int, settings: BlendingSettings) -> int:
    if cell.role == "agent":
        return count * settings.agent_candidates
    return max(ceil(count * settings.oversample - 1e-9), count + settings.least_spare)


def _lowest_pairs(
    groups: dict[int, list[Speaker]],
    count: int,
    settings: BlendingSettings,
    role: Role,
    seed: int,
    used: Counter[tuple[str, str]],
) -> list[tuple[Speaker, Speaker]]:
    """`count` pairs within the groups, in rank order; where they are too few, again those that were used least, each
    `voices_per_pair` times at most."""
    found: list[Ranked] = []
    for members in groups.values():
        found += _ranked(members, count + len(used), role, seed)
    found.sort(key=lambda entry: entry[:3])
    rounds = range(settings.voices_per_pair)
    return [(a, b) for already in rounds for _, x, y, a, b in found if used[x, y] <= already][:count]


def _ranked(members: list[Speaker], count: int, role: Role, seed: int) -> Iterator[Ranked]:
    """The `count` pairs of lowest rank among `members`, each as (rank, ids, speakers)."""
    hashes = stable_hashes((seed, "blend", role), (s.recording for s in members))
    left, right = (i.astype(np.int32) for i in np.triu_indices(len(members), 1))
    ranks = mix(hashes[left], hashes[right])
    lowest = np.argpartition(ranks, count)[:count] if len(ranks) > count else np.arange(len(ranks))
    for i in lowest:
        a, b = members[left[i]], members[right[i]]
        yield int(ranks[i]), a.recording, b.recording, a, b


def _candidate(cell: Cell, a: Speaker, b: Speaker, settings: BlendingSettings, seed: int, number: int = 0) -> Candidate:
    """The pair's candidate of this number, from 0."""
    names = (a.recording, b.recording, *([number] if number else []))
    draw = stable_hash(seed, "blend", *names) / 2**64
    weight = round(settings.weight_min + (settings.weight_max - settings.weight_min) * draw, 6)
    mean = weight * a.tts_embedding.astype(np.float64) + (1 - weight) * b.tts_embedding.astype(np.float64)
    return Candidate(
        id=f"blend-{stable_hash('pair', *names):016x}",
        role=cell.role,
        language=cell.language,
        gender=cell.gender,
        split=cell.split,
        parents=(a.recording, b.recording),
        weights=(weight, round(1 - weight, 6)),
        embedding=mean.astype(np.float32),
        seconds_per_character=round(weight * a.seconds_per_character + (1 - weight) * b.seconds_per_character, 4),
    )


def _shortage(
    cell: Cell, wanted: int, possible: int, groups: dict[int, list[Speaker]], settings: BlendingSettings
) -> str:
    width = max(1, round(settings.rate_bin * 1000))
    sizes = ", ".join(f"{b * width} ms: {len(groups[b])}" for b in sorted(groups)) or "none"
    return (
        f"blending: {cell}: {counted(wanted, 'voice')} wanted, {counted(possible, 'pair')} left; speakers by time per "
        f"character: {sizes}. Mine more speakers, lower `users`, widen `rate_bin` (now {settings.rate_bin} s), or let "
        f"a pair give more voices (`voices_per_pair`, now {settings.voices_per_pair})"
    )
