"""Scores of a fitted isolation forest."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.ensemble import IsolationForest as Forest

from vedette_specs import Floats

_EULER = float(np.euler_gamma)


class IsolationTrees:
    """The scores that scikit-learn's `score_samples` gives, with the other sign, without its 100 us a tree for jobs,
    locks and warnings, which are nine tenths of its time for a batch of some hundred rows.
    """

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self._trees = [tree.tree_ for tree in forest.estimators_]
        # of every node: cuts down to it, and those that its rows of the sample would have needed from there on
        self._paths = [t.compute_node_depths() + average_path(t.n_node_samples) - 1.0 for t in self._trees]
        self._scale = len(self._trees) * float(average_path(np.array([forest.max_samples_]))[0])

    def scores(self, rows: Floats) -> Floats:
        """(n,) scores in (0, 1] of (n, columns); 1 is the most unusual (Liu, Ting, Zhou 2008, equation 2)."""
        cut = np.ascontiguousarray(rows, dtype=np.float32)
        depths = np.zeros(len(rows))
        for tree, paths in zip(self._trees, self._paths, strict=True):
            depths += paths[tree.apply(cut)]
        return np.asarray(2.0 ** -(depths / self._scale if self._scale else np.ones_like(depths)))


def average_path(sizes: ArrayLike) -> Floats:
    """Of an unsuccessful search in a binary tree of that many rows (equation 1)."""
    n = np.asarray(sizes, dtype=np.float64)
    more = np.maximum(n, 3.0)
    long = 2.0 * (np.log(more - 1.0) + _EULER) - 2.0 * (more - 1.0) / more
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, long))
