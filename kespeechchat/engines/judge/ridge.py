"""A linear classifier for a few dozen labelled vectors: ridge regression in closed form, calibrated by leave-one-out.

The regression's target is ±1. Its margins have no scale of their own, so a logistic curve (Platt 1999, with his
smoothed targets) is fitted to the margins that each example gets from the *other* examples; those come free of
refitting, from the diagonal of the hat matrix. Everything is float64 and without chance, so the same examples give the
same classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kespeechchat.engines.arrays import Float64

Vectors = npt.NDArray[np.floating]
Labels = npt.NDArray[np.bool_]
_NEWTON_STEPS = 50


@dataclass(frozen=True)
class Ridge:
    """`mean` and `weights` float64 [D]; a margin over 0 leans to true; `slope` and `offset` make it a probability."""

    mean: Float64
    weights: Float64
    intercept: float
    slope: float
    offset: float

    def margins(self, vectors: Vectors) -> Float64:
        """Float64 [N] of `vectors` [N, D]."""
        margins: Float64 = (np.asarray(vectors, dtype=np.float64) - self.mean) @ self.weights + self.intercept
        return margins

    def probabilities(self, vectors: Vectors) -> Float64:
        """Float64 [N] in (0, 1): that each of `vectors` [N, D] is true."""
        return _logistic(self.slope * self.margins(vectors) + self.offset)


def fit(vectors: Vectors, labels: Labels, ridge: float) -> Ridge:
    """A classifier from `vectors` [N, D] and bool `labels` [N]; `ridge` > 0 shrinks its weights.

    Raises ValueError unless there are at least two labels of each kind.
    """
    points, labels = np.asarray(vectors, dtype=np.float64), np.asarray(labels, dtype=bool)
    if min(labels.sum(), (~labels).sum()) < 2:
        raise ValueError(
            f"{labels.sum()} true and {(~labels).sum()} false examples: a classifier needs at least two of each"
        )
    slope, offset = _platt(held_out_margins(points, labels, ridge), labels)
    mean, intercept = points.mean(axis=0), _signs(labels).mean()
    centred = points - mean
    dual = np.linalg.solve(centred @ centred.T + ridge * np.eye(len(labels)), _signs(labels) - intercept)
    return Ridge(mean, centred.T @ dual, float(intercept), slope, offset)


def held_out_margins(vectors: Float64, labels: Labels, ridge: float) -> Float64:
    """Float64 [N]: the margin of each example under the classifier fitted to all the others (exact)."""
    centred = vectors - vectors.mean(axis=0)
    gram = centred @ centred.T
    # The intercept is the unpenalized column of ones: it adds 1/N to every entry of the hat matrix.
    hat = gram @ np.linalg.inv(gram + ridge * np.eye(len(gram))) + 1 / len(gram)
    targets = _signs(labels)
    margins: Float64 = targets - (targets - hat @ targets) / (1 - np.diag(hat))
    return margins


def _signs(labels: Labels) -> Float64:
    return np.where(labels, 1.0, -1.0)


def _platt(margins: Float64, labels: Labels) -> tuple[float, float]:
    """Slope and offset of the logistic curve, by damped Newton steps on Platt's smoothed likelihood."""
    positives, negatives = labels.sum(), (~labels).sum()
    targets = np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.stack([margins, np.ones_like(margins)], axis=1)
    theta = np.zeros(2)
    loss = _cross_entropy(design @ theta, targets)
    for _ in range(_NEWTON_STEPS):
        p = _logistic(design @ theta)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (targets - p))
        scale = 1.0
        while scale > 1e-6 and _cross_entropy(design @ (theta + scale * step), targets) > loss:
            scale /= 2
        theta = theta + scale * step
        loss = _cross_entropy(design @ theta, targets)
        if np.abs(scale * step).max() < 1e-9:
            break
    # Examples that leave-one-out ranks the wrong way round would turn the verdict over: keep the direction.
    return max(float(theta[0]), 1e-3), float(theta[1])


def _cross_entropy(logits: Float64, targets: Float64) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).sum())


def _logistic(x: Float64) -> Float64:
    return 0.5 * (1 + np.tanh(x / 2))
