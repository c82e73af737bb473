"""From a model's probabilities to frequencies: curves learnt on labelled rows of the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Floats

Curve = Floats  # (2, m): scores in increasing order, and the frequency at each
FOLDS = 5
_EDGE = 1e-6  # probabilities are kept so far from 0 and 1 where their logit is taken
_RIDGE = 1.0  # rows that a Platt map's prior, "calibrated already", weighs


def isotonic_curve(scores: Floats, hits: Floats) -> Curve:
    """The increasing curve with the least squares to (n,) hits (0 or 1), by pool adjacent violators.

    Source: Zadrozny, Elkan, "Transforming classifier scores into accurate multiclass probability estimates" (2002).
    """
    from sklearn.isotonic import IsotonicRegression  # only fitting needs it: replicas load curves

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores, hits)
    return np.stack([fitted.X_thresholds_, fitted.y_thresholds_]).astype(np.float64)


def fit_curves(p: Floats, truth: NDArray[np.int32], looked_at: Sequence[int]) -> list[Curve]:
    """A curve for each class that is looked at, against all others.  p: (n, classes).  truth: (n,) codes."""
    return [isotonic_curve(p[:, k], (truth == k).astype(np.float64)) for k in looked_at]


def apply_curves(curves: Sequence[Curve], p: Floats, looked_at: Sequence[int]) -> Floats:
    """(n, classes) frequencies that add up to 1; `p` itself where there are no curves."""
    if not curves:
        return p
    return _whole([np.interp(p[:, k], *curve) for k, curve in zip(looked_at, curves, strict=True)], p, looked_at)


def crossed_curves(p: Floats, truth: NDArray[np.int32], looked_at: Sequence[int]) -> Floats:
    """(n, classes) frequencies of rows by the curves that were fitted without them; n is 2 or more."""
    out = np.empty_like(p)
    fold = np.random.default_rng(0).permutation(len(p)) % min(FOLDS, len(p))
    for i in range(int(fold.max()) + 1):
        held = fold == i
        out[held] = apply_curves(fit_curves(p[~held], truth[~held], looked_at), p[held], looked_at)
    return out


def logit(p: Floats) -> Floats:
    """ln(p / (1 - p)), finite: within about 13.8 of 0."""
    inside = np.clip(p, _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def platt_map(scores: Floats, hits: Floats, weights: Floats) -> Floats:
    """(2,) slope a and offset b of the weighted logistic regression of (n,) hits on ``a logit + b``.

    Shrunk towards a = 1, b = 0 by the weight of one row, which keeps separable rows finite. Newton's method.
    Source: Platt, "Probabilistic outputs for support vector machines" (1999).
    """
    design = np.column_stack([scores, np.ones(len(scores))])
    prior = np.array([1.0, 0.0])
    found = prior.copy()
    for _ in range(50):
        p = _sigmoid(design @ found)
        slope = design.T @ (weights * (hits - p)) - _RIDGE * (found - prior)
        bend = (design * (weights * p * (1.0 - p))[:, None]).T @ design + _RIDGE * np.eye(2)
        step = np.linalg.solve(bend, slope)
        found = found + step * min(1.0, 4.0 / float(np.abs(step).max() or 1.0))
        if np.abs(step).max() < 1e-10:
            break
    return found


def apply_platt(maps: Sequence[Floats], c: Floats, looked_at: Sequence[int]) -> Floats:
    """(n, classes) probabilities that add up to 1, from those that the maps were fitted on."""
    return _whole([_sigmoid(a * logit(c[:, k]) + b) for k, (a, b) in zip(looked_at, maps, strict=True)], c, looked_at)


def _whole(found: Sequence[Floats], before: Floats, looked_at: Sequence[int]) -> Floats:
    """Probabilities of all classes: of two, the other's is the rest; of more, they are divided by their sum."""
    if len(found) == 1:
        (k,) = looked_at
        out = np.empty_like(before)
        out[:, k], out[:, 1 - k] = found[0], 1.0 - found[0]
        return out
    stacked = np.column_stack(found)
    total = stacked.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0.0, stacked / np.where(total > 0.0, total, 1.0), before))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
