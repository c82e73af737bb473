"""Two sets of rows told apart by a classifier: whether they differ, and how dense one is where the other is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vedette.components.metrics._threads import one_thread
from vedette_specs import Floats

FOLDS = 5
_SHRINKAGE = 1.0  # scikit-learn's C
_SURE = 1e-4  # no row is called more certain than that: weights stay below 10 000


@dataclass(frozen=True)
class Domains:
    """What a classifier of reference against window, judged on rows that it was not fitted on, says.

    auc: area under its ROC curve, .5 where the two are alike; standard_error: of that if they are.
    p_value: of this area or a larger one, if they are.
    weights: (n,) density of the window over that of the reference at the reference's rows, mean 1.
    """

    auc: float
    standard_error: float
    p_value: float
    weights: Floats

    @property
    def effective(self) -> float:
        """How many rows of equal weight the reference's rows are worth (Kish)."""
        return effective_rows(self.weights)


def effective_rows(weights: Floats) -> float:
    """(sum w)^2 / sum w^2."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0.0 else 0.0


def compare(reference: Floats, window: Floats, prior: Floats | None = None) -> Domains:
    """Logistic regression of (n, f) against (m, f) rows in random order, cross-fitted; n, m >= 2 folds.

    prior: (n,) weights of the reference's rows, as if it were another one.
    Source: Bickel, Brueckner, Scheffer, "Discriminative learning under covariate shift" (JMLR 2009).
    """
    n, m = len(reference), len(window)
    base = np.ones(n) if prior is None else prior * n / prior.sum()
    x = np.concatenate([reference, window])
    y = np.concatenate([np.zeros(n), np.ones(m)])
    w = np.concatenate([base, np.full(m, n / m)])  # both sides weigh alike
    fold = np.concatenate([np.arange(n), np.arange(m)]) % FOLDS
    scores = np.empty(n + m)
    areas = []
    for i in range(FOLDS):
        held = fold == i
        with one_thread():
            scores[held] = _fitted_scores(x[~held], y[~held], w[~held], x[held])
        own, new = held & (y == 0.0), held & (y == 1.0)
        areas.append(weighted_area(scores[own], w[own], scores[new]))
    rows = effective_rows(base)
    error = math.sqrt(2.0 * (rows + m + FOLDS) / (12.0 * rows * m))  # 2: any two folds are fitted on each other
    auc = float(np.mean(areas))
    density = np.exp(scores[:n])
    weights = density * base
    return Domains(auc, error, 0.5 * math.erfc((auc - 0.5) / error / math.sqrt(2.0)), weights * n / weights.sum())


def weighted_area(own: Floats, weights: Floats, new: Floats) -> float:
    """Share of the pairs in which `new` scores above `own`, whose rows weigh differently; ties count half."""
    order = np.argsort(own, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    left, right = (np.searchsorted(own[order], new, side=side) for side in ("left", "right"))
    return float((below[left] + below[right]).mean() / (2.0 * below[-1]))


def _fitted_scores(x: Floats, y: Floats, w: Floats, rows: Floats) -> Floats:
    """(rows,) log odds of being of the window."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=_SHRINKAGE, max_iter=1000).fit(x, y, sample_weight=w)
    limit = math.log(1.0 / _SURE - 1.0)
    return np.asarray(np.clip(model.decision_function(rows), -limit, limit))
