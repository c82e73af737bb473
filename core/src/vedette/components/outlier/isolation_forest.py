"""How few random cuts isolate a row."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.ensemble import IsolationForest as Forest

from vedette.components.outlier._isolation_trees import IsolationTrees
from vedette_specs import Batch, Column, Floats, OutlierDetector, Tags

_MISSING = "\x00missing"
_LARGEST = 1e38  # scikit-learn's trees hold float32


class IsolationForest(OutlierDetector):
    """Isolation forest over numeric and category inputs (Liu, Ting, Zhou 2008); scores are in (0, 1].

    Categories become numbers from frequent to rare, missing ones counted as a category of their own, unseen ones
    beyond the rarest. A missing number becomes the median, with a column that says so where the reference has
    missing values. The same reference, options and `random_state` give the same forest.

    Options:
        columns: inputs to use; all numeric and category ones when None.
        trees: number of trees.  sample: rows each tree is grown on, at most.
        random_state: of the forest and of the split into training and calibration rows.
    """

    tags: ClassVar[Tags] = Tags(modalities=("numeric", "category"))

    def __init__(
        self,
        *,
        columns: list[str] | None = None,
        trees: int = 200,
        sample: int = 256,
        random_state: int = 0,
    ) -> None:
        if trees < 1 or sample < 2:
            raise ValueError(f"trees: {trees} and sample: {sample}; it takes at least 1 tree and 2 rows")
        self.columns = columns
        self.trees = trees
        self.sample = sample
        self.random_state = random_state
        self._trees: IsolationTrees | None = None

    def fit_batch(self, reference: Batch) -> None:
        allowed = [name for name, column in reference.inputs.items() if column.kind in ("numeric", "category")]
        if wrong := [name for name in self.columns or [] if name not in allowed]:
            raise ValueError(f"columns: {wrong} are not numeric or category inputs; allowed: {allowed}")
        self.columns_ = allowed if self.columns is None else list(self.columns)
        if not self.columns_:
            raise ValueError(f"IsolationForest needs a numeric or category input; there are {list(reference.inputs)}")
        inputs = {name: reference.inputs[name] for name in self.columns_}
        numbers = {name: column for name, column in inputs.items() if column.kind == "numeric"}
        self.medians_ = {name: _median(column) for name, column in numbers.items()}
        self.incomplete_ = [name for name, column in numbers.items() if np.isnan(column.values).any()]
        self.categories_ = {name: _by_frequency(c) for name, c in inputs.items() if name not in numbers}
        samples = min(self.sample, len(reference))
        self.forest_ = Forest(n_estimators=self.trees, max_samples=samples, random_state=self.random_state)
        self.forest_.fit(self._encode(reference))

    def score_batch(self, batch: Batch) -> Floats:
        if len(batch) == 0:
            return np.empty(0)
        scores = self._walked().scores(self._encode(batch))
        gone = np.column_stack([batch.inputs[name].missing() for name in self.columns_]).all(axis=1)
        return np.asarray(np.where(gone, np.nan, scores))

    def _walked(self) -> IsolationTrees:
        """Of the forest that is fitted now."""
        if self._trees is None or self._trees.forest is not self.forest_:
            self._trees = IsolationTrees(self.forest_)
        return self._trees

    def _encode(self, batch: Batch) -> Floats:
        """(n, columns and flags) float64, finite."""
        parts = [self._numbers(name, batch.inputs[name]) for name in self.columns_]
        flags = [batch.inputs[name].missing().astype(np.float64) for name in self.incomplete_]
        return np.column_stack([*parts, *flags])

    def _numbers(self, name: str, column: Column) -> Floats:
        if name in self.categories_:
            ranks = self.categories_[name]
            codes = column.codes(ranks)
            missing = ranks.index(_MISSING) if _MISSING in ranks else len(ranks)
            return np.where(codes < 0, missing, codes).astype(np.float64)
        filled = np.where(np.isnan(column.values), self.medians_[name], column.values)
        return np.asarray(np.clip(filled, -_LARGEST, _LARGEST))


def _median(column: Column) -> float:
    known = column.values[~np.isnan(column.values)]
    return float(np.median(known)) if len(known) else 0.0


def _by_frequency(column: Column) -> list[str]:
    texts, counts = np.unique([_MISSING if t is None else str(t) for t in column.strings()], return_counts=True)
    order = np.lexsort((texts, -counts))
    return [str(text) for text in texts[order]]
