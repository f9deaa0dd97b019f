"""The arithmetic of `kesc plan`: from measured shards to rows, hours, GPU-hours, wall time and bytes of a whole build.

    rows into a stage    = rows into the stage before × its yield         (forward, from an input's rows)
                         = dialogues wanted ÷ the yields from here on     (backward, from a number of dialogues)
    rows into a round    = rows into the round before × (1 − its yield)
    actor-hours          = rows × seconds per row ÷ 3600
    GPU-hours            = actor-hours × GPUs of one actor
    wall time            = Σ over segments of max over its stages of actor-hours ÷ actors

Every measured figure is a range. A yield has Wilson's 95 % interval, its rows discounted where shards differ by more
than chance; seconds and bytes per row go from the 10th to the 90th percentile of the shards, the mean always within.
Of the seconds, a process's first shard of a language does not count where there are others: it loads models.
In a product the relative errors add in squares (they are estimated independently); in a sum the ends add.
Pure functions on plain values; `commands.plan.measurements` reads the records.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Z95 = 1.96  # standard errors of a two-sided 95 % interval
_ROUNDING = 1e-9  # of shares of a GPU: 0.6 + 0.3 + 0.1 is a little under 1
PAPER_DIALOGUES = 7_000_000  # arXiv 2412.01078, abstract
PAPER_USERS = 42_000  # user voices; two agents come to them


@dataclass(frozen=True)
class Range:
    """A figure with the ends between which it is expected; low ≤ mid ≤ high."""

    low: float
    mid: float
    high: float

    @staticmethod
    def exact(value: float) -> Range:
        """A figure that is known."""
        return Range(value, value, value)

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def __mul__(self, other: Range | float) -> Range:
        if not isinstance(other, Range):
            return Range(self.low * other, self.mid * other, self.high * other)
        mid = self.mid * other.mid
        if not 0 < mid < math.inf:
            return Range(0.0, mid if mid == mid else math.inf, _times(self.high, other.high))
        down = math.hypot(_log(self.mid, self.low), _log(other.mid, other.low))
        up = math.hypot(_log(self.high, self.mid), _log(other.high, other.mid))
        return Range(mid * math.exp(-down), mid, mid * math.exp(up) if up < 700 else math.inf)

    def rest(self) -> Range:
        """Of a share: what it leaves."""
        return Range(*(max(0.0, 1 - end) for end in (self.high, self.mid, self.low)))

    def inverse(self) -> Range:
        """Of a yield: rows in per row out, endless where it is 0."""
        return Range(*(1 / end if end else math.inf for end in (self.high, self.mid, self.low)))


ZERO = Range.exact(0.0)


def _log(above: float, below: float) -> float:
    return math.inf if below == 0 or above == math.inf else math.log(above / below)


def _times(a: float, b: float) -> float:
    return 0.0 if not a or not b else a * b


@dataclass(frozen=True)
class Sample:
    """One committed shard of one unit. `trials`: rows that were settled (rows_in × fan_out); `kept` came out."""

    unit: str
    language: str | None
    rows_in: int
    trials: int
    kept: int
    seconds: float
    size: int  # bytes, data and record
    audio_seconds: float
    keeps_rows: bool = True  # False: a reduce stage, whose output counts other things than its input
    cold: bool = False  # its process's first of the language: its seconds hold what engines load on first use
    engines: tuple[str, ...] = ()  # CAPABILITY:NAME


@dataclass(frozen=True)
class Figures:
    """Averages over the shards of one unit in one language, per row that goes in."""

    unit: str
    language: str | None
    shards: int
    rows: int
    kept: int
    share: Range  # rows out per row in
    seconds: Range  # of one actor, per row in
    size: Range  # bytes per row in
    audio: float  # seconds per row out


def measured(samples: Iterable[Sample]) -> dict[tuple[str, str | None], Figures]:
    """Figures per (unit, language). Shards without rows are left out."""
    groups: dict[tuple[str, str | None], list[Sample]] = {}
    for sample in samples:
        if sample.rows_in:
            groups.setdefault((sample.unit, sample.language), []).append(sample)
    return {key: _figures(*key, group) for key, group in groups.items()}


def _figures(unit: str, language: str | None, group: list[Sample]) -> Figures:
    rows, kept = sum(s.rows_in for s in group), sum(s.kept for s in group)
    fan_out = sum(s.trials for s in group) / rows
    if all(s.keeps_rows for s in group):
        share = wilson([(s.kept, s.trials) for s in group]) * fan_out
    else:
        share = Range.exact(kept / rows)
    audio = sum(s.audio_seconds for s in group) / kept if kept else 0.0
    warm = [s for s in group if not s.cold] or group
    seconds = spread([(s.seconds, s.rows_in) for s in warm])
    size = spread([(s.size, s.rows_in) for s in group])
    return Figures(unit, language, len(group), rows, kept, share, seconds, size, audio)


def wilson(shards: Sequence[tuple[int, int]], z: float = Z95) -> Range:
    """Share kept, from (kept, of) per shard; Wilson's interval on the effective number of rows.

    Rows of a shard are alike (one language, neighbours in their source), so where the shards differ by more than
    chance (Pearson's dispersion over 1) the rows count for fewer.
    """
    kept, of = (sum(column) for column in zip(*shards, strict=True))
    p = kept / of
    n = of / _dispersion(shards, p)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Range(min(max(0.0, centre - half), p), p, max(min(1.0, centre + half), p))


def _dispersion(shards: Sequence[tuple[int, int]], p: float) -> float:
    if len(shards) < 2 or p in (0, 1):
        return 1.0
    chi = sum((kept - of * p) ** 2 / (of * p * (1 - p)) for kept, of in shards if of)
    return max(1.0, chi / (len(shards) - 1))


def spread(shards: Sequence[tuple[float, int]]) -> Range:
    """Amount per row, from (amount, rows) per shard: the median shard by rows between the 10th and 90th percentile.

    The mean always lies within the range.
    """
    rates = sorted((amount / rows, rows) for amount, rows in shards)
    mean = sum(amount for amount, _ in shards) / sum(rows for _, rows in shards)
    low, mid, high = (_quantile(rates, q) for q in (0.1, 0.5, 0.9))
    return Range(min(low, mean), mid, max(high, mean))


def _quantile(rates: Sequence[tuple[float, int]], q: float) -> float:
    """Of (rate, weight) in rising order: the first rate that q of the weight does not exceed."""
    wanted, seen = q * sum(weight for _, weight in rates), 0
    for rate, weight in rates:
        seen += weight
        if seen >= wanted:
            return rate
    return rates[-1][0]


# --- rows


def rows_forward(shares: Sequence[Range], rows: float | Range) -> list[Range]:
    """Rows into each stage of a chain, and out of the last: one more than shares."""
    found = [rows if isinstance(rows, Range) else Range.exact(rows)]
    for share in shares:
        found.append(found[-1] * share)
    return found


def rows_backward(shares: Sequence[Range], wanted: float | Range) -> list[Range]:
    """Rows that must go into each stage so that `wanted` come out of the last; `wanted` itself last."""
    found = [wanted if isinstance(wanted, Range) else Range.exact(wanted)]
    for share in reversed(shares):
        found.append(found[-1] * share.inverse())
    return found[::-1]


def product(shares: Iterable[Range]) -> Range:
    """The yield of a chain of stages."""
    return math.prod(shares, start=Range.exact(1.0))


def share_of_first(rounds: Sequence[Sequence[Range]]) -> float:
    """Of the dialogues that some round keeps, the share that the first one does."""
    if len(rounds) == 1:
        return 1.0
    first, lost = product(rounds[0]).mid, 1.0
    for shares in rounds:
        lost *= 1 - product(shares).mid
    return first / (1 - lost) if lost < 1 else 1.0


def rounds_after(rounds: Sequence[Sequence[Range]], into_first: Range) -> list[list[Range]]:
    """`rows_forward` of each round but the first: what one does not keep goes into the next."""
    found, rows = [], into_first
    for shares, following in pairwise(rounds):
        rows = rows * product(shares).rest()
        found.append(rows_forward(following, rows))
    return found


# --- wall time


@dataclass(frozen=True)
class Pool:
    """Actors of one unit."""

    gpus: float  # of one actor
    fewest: int
    most: int


class TooFewGPUs(ValueError):
    """The cluster cannot hold one segment's smallest pools."""


def shared_out(hours: Mapping[str, float], pools: Mapping[str, Pool], gpus: int | None) -> dict[str, int]:
    """Actors per unit of one segment: the pools' fewest, then one more at a time where most is left to do.

    `gpus` None: as many as the pools may take. Raises TooFewGPUs.
    """
    if gpus is None:
        return {unit: pools[unit].most for unit in hours}
    actors = {unit: pools[unit].fewest for unit in hours}
    free = gpus - sum(actors[unit] * pools[unit].gpus for unit in hours)
    if free < -_ROUNDING:
        raise TooFewGPUs(f"{' + '.join(hours)} need {gpus - free:g} GPUs at once and there are {gpus}")
    while True:
        open_ = [u for u in hours if actors[u] < pools[u].most and pools[u].gpus <= free + _ROUNDING]
        slowest = max(hours, key=lambda u: hours[u] / actors[u])
        if slowest not in open_:
            return actors | {u: pools[u].most for u in open_ if not pools[u].gpus}
        actors[slowest] += 1
        free -= pools[slowest].gpus


def wall_hours(
    segments: Sequence[Sequence[str]], hours: Mapping[str, Range], pools: Mapping[str, Pool], gpus: int | None
) -> tuple[Range, dict[str, int]]:
    """(hours, actors per unit). Segments follow one another; within one the slowest stage sets the pace."""
    total = ZERO
    used: dict[str, int] = {}
    for segment in segments:
        known = {unit: hours[unit] for unit in segment if unit in hours}
        if not known:
            continue
        actors = shared_out({unit: h.mid for unit, h in known.items()}, pools, gpus)
        paces = [h * (1 / actors[unit]) for unit, h in known.items()]
        total += Range(max(p.low for p in paces), max(p.mid for p in paces), max(p.high for p in paces))
        used |= actors
    return total, used
