"""How frequent classes have become, from the probabilities of rows without labels."""

from __future__ import annotations

import numpy as np

from vedette_specs import Floats

_STEPS = 5000
_CLOSE = 1e-12


def adjusted(c: Floats, prior: Floats, before: Floats) -> Floats:
    """(n, k) probabilities under other class shares: ``c_k prior_k / before_k``, divided by their sum."""
    found = c * shares_over(prior, before)
    total = found.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0.0, found / np.where(total > 0.0, total, 1.0), c))


def saerens(c: Floats, counts: Floats, before: Floats) -> Floats:
    """(k,) class shares of greatest likelihood: the mean of the adjusted probabilities, until it stays.

    c: (n, k) probabilities where the shares are `before`.  counts: (n,) rows that each stands for.
    Source: Saerens, Latinne, Decaestecker (2002), equations 2.7 and 2.8.
    """
    prior = before.copy()
    if not len(c):
        return prior
    shares = counts / counts.sum()
    for _ in range(_STEPS):
        last, prior = prior, shares @ adjusted(c, prior, before)
        if np.abs(prior - last).max() < _CLOSE:
            break
    return prior


def prior_covariance(c: Floats, counts: Floats, prior: Floats, before: Floats) -> Floats | None:
    """(k - 1, k - 1) inverse of the observed information on all shares but the last; None where it has none."""
    ratios = c * shares_over(np.ones_like(prior), before)
    density = ratios @ prior
    known = density > 0.0
    slopes = (ratios[known, :-1] - ratios[known, -1:]) / density[known, None]
    information = slopes.T @ (slopes * counts[known, None])
    try:
        found = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(found, dtype=np.float64) if np.isfinite(found).all() and (np.diag(found) > 0.0).all() else None


def shares_over(prior: Floats, before: Floats) -> Floats:
    """(k,) quotients; 0 for a class that the reference never had."""
    return np.asarray(np.divide(prior, before, out=np.zeros_like(prior), where=before > 0.0))
