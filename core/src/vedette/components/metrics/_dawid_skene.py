"""What several sources say of rows whose truth nobody knows: each source's confusion matrix, by EM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_specs import Floats

_PRIOR = 0.5  # rows that say beforehand that a source answers any class: keeps the logarithms finite
_STEPS = 500
_CLOSE = 1e-7


@dataclass(frozen=True)
class Estimated:
    """shares: (k,) of the classes.  confusion: (sources, k, k), truth by answer.  truth: (m, k) of each pattern."""

    shares: Floats
    confusion: Floats
    truth: Floats
    steps: int
    converged: bool

    def accuracy(self, source: int) -> float:
        """Share of all rows that a source would answer right."""
        return float(self.shares @ np.diagonal(self.confusion[source]))


def dawid_skene(codes: NDArray[np.int32], counts: NDArray[np.int64], k: int) -> Estimated:
    """codes: (m, sources) answers of the patterns, -1 none.  counts: (m,) rows that each stands for.

    Begins with the shares of the votes, and maximises the likelihood of answers that are independent given the truth.
    Source: Dawid, Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
    Statistics 28 (1979), equations 2.3 to 2.5; with `_PRIOR` for maximum a posteriori.
    """
    said = [np.equal.outer(codes[:, s], np.arange(k)).astype(np.float64) for s in range(codes.shape[1])]
    votes = np.asarray(sum(said))
    truth = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1.0)
    rows = counts.astype(np.float64)
    shares, confusion, before = np.full(k, 1.0 / k), np.zeros((len(said), k, k)), np.full(k, np.inf)
    for step in range(1, _STEPS + 1):
        weights = truth * rows[:, None]
        shares = (weights.sum(axis=0) + _PRIOR / k) / (rows.sum() + _PRIOR)
        for s, answers in enumerate(said):
            joint = weights.T @ answers + _PRIOR / k
            confusion[s] = joint / joint.sum(axis=1, keepdims=True)
        score = np.log(shares) + np.asarray(sum(a @ np.log(confusion[s]).T for s, a in enumerate(said)))
        truth = np.exp(score - score.max(axis=1, keepdims=True))
        truth /= truth.sum(axis=1, keepdims=True)
        reached = np.concatenate([shares, *(np.diagonal(one) for one in confusion)])
        if before.shape == reached.shape and np.abs(reached - before).max() < _CLOSE:
            return Estimated(shares, confusion, truth, step, True)
        before = reached
    return Estimated(shares, confusion, truth, _STEPS, False)
