"""How far annotators agree beyond chance: Cohen's kappa of each two who judged the same dialogues."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from kespeechchat.config.load import ConfigError
from kespeechchat.state.reviews import Judged, Verdict

_VERDICTS: tuple[Verdict, ...] = ("accept", "reject", "unsure")


@dataclass(frozen=True)
class Agreement:
    """Two annotators of a sample on the `both` dialogues that each of them judged. `same`: share of like verdicts.
    `kappa`: None where it is not defined, because both gave one verdict to all."""

    sample: str
    first: str
    second: str
    both: int
    same: float
    kappa: float | None


def agreements(judged: Mapping[tuple[str, str], Mapping[str, Judged]]) -> Iterator[Agreement]:
    """Of every two annotators of a sample; `judged`: (sample, annotator) → id → verdict."""
    try:
        from sklearn.metrics import cohen_kappa_score
    except ModuleNotFoundError:
        raise ConfigError("kesc review needs scikit-learn; run `pip install 'kespeechchat[view]'`") from None

    for (one, first), (other, second) in combinations(sorted(judged), 2):
        theirs = judged[one, first], judged[other, second]
        both = sorted(theirs[0].keys() & theirs[1].keys())
        if one != other or not both:
            continue
        left, right = ([of[id_].verdict for id_ in both] for of in theirs)
        kappa = math.nan
        if len({*left, *right}) > 1:
            kappa = float(cohen_kappa_score(left, right, labels=_VERDICTS))
        same = sum(a == b for a, b in zip(left, right, strict=True)) / len(both)
        yield Agreement(one, first, second, len(both), same, None if math.isnan(kappa) else kappa)
