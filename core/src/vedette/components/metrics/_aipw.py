"""A mean over all rows, from the labels of some: augmented inverse probability weighting on counted cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vedette_specs import Floats

_LEAST = 0.01  # propensity below which a label does not weigh more
_SHRUNK = 0.02


@dataclass(frozen=True)
class Points:
    """Rows of m cells at their mean logit of the probability that the prediction is right.

    logits: (m,).  kinds: (m, d) 0 or 1, of class and group.
    """

    logits: Floats
    kinds: Floats

    @property
    def smooth(self) -> Floats:
        """(m, 4 + d) the terms of the propensity's logit."""
        z = self.logits / 4.0
        return np.column_stack([np.ones(len(z)), z, z**2, z**3, self.kinds])

    @property
    def linear(self) -> Floats:
        return np.column_stack([np.ones(len(self.logits)), self.logits, self.kinds])


@dataclass(frozen=True)
class Weighed:
    """estimate with its standard_error.  effective: labels of equal weight that would be worth as much (Kish)."""

    estimate: float
    standard_error: float
    effective: float


def weigh(cells: Points, labelled: Points, others: Points, rows: Floats, labels: Floats, right: Floats) -> Weighed:
    """cells, labelled, others: all rows of the cells, those with a label, those without.

    rows, labels, right: (m,) counts, labels at most as many as rows, right at most as many as labels.
    Source: Robins, Rotnitzky, Zhao, JASA 89 (1994); variance by the influence function (Tsiatis 2006, chapter 13),
    enlarged for the coefficients that are fitted.
    """
    n = float(rows.sum())
    propensity = _propensity(cells, labelled, rows, labels)
    by_logit = _expected(labelled, labels, right)
    expected, guess = _sigmoid(labelled.linear @ by_logit), _sigmoid(others.linear @ by_logit)
    hit, miss = expected + (1.0 - expected) / propensity, expected - expected / propensity
    terms = [(rows - labels, guess), (right, hit), (labels - right, miss)]
    estimate = sum(float(count @ value) for count, value in terms) / n
    spread = sum(float(count @ (value - estimate) ** 2) for count, value in terms)
    weights = 1.0 / propensity
    effective = float((labels @ weights) ** 2 / (labels @ weights**2))
    fitted = labelled.linear.shape[1] + cells.smooth.shape[1]  # degrees of freedom that the labels have paid for
    inflated = spread * effective / max(effective - fitted, 1.0)
    return Weighed(estimate, float(np.sqrt(inflated)) / n, effective)


def _propensity(cells: Points, labelled: Points, rows: Floats, labels: Floats) -> Floats:
    """(m,) probability that such rows as those with a label have one: smooth in the logit.

    Learnt from whole cells: the labelled rows' own means would tell them from the others.
    """
    if (labels >= rows).all():
        return np.ones(len(rows))
    prior = np.zeros(cells.smooth.shape[1])
    prior[0] = np.log((labels.sum() + 0.5) / ((rows - labels).sum() + 0.5))
    found = _logistic(cells.smooth, labels, rows, prior, _SHRUNK)
    return np.clip(_sigmoid(labelled.smooth @ found), _LEAST, 1.0)


def _expected(labelled: Points, labels: Floats, right: Floats) -> Floats:
    """Coefficients of the probability that a prediction is right: the model's own, corrected by the labels (Platt)."""
    prior = np.zeros(labelled.linear.shape[1])
    prior[1] = 1.0  # few labels: as the model says
    return _logistic(labelled.linear, right, labels, prior, 1.0)


def _logistic(design: Floats, hits: Floats, trials: Floats, prior: Floats, strength: float) -> Floats:
    """Coefficients of the log odds of hits in trials, shrunk towards `prior`. Newton's method."""
    found = prior.copy()
    for _ in range(100):
        p = _sigmoid(design @ found)
        slope = design.T @ (hits - trials * p) - strength * (found - prior)
        bend = (design * (trials * p * (1.0 - p))[:, None]).T @ design + strength * np.eye(len(prior))
        step = np.linalg.solve(bend, slope)
        found = found + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    return found


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
