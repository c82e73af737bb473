"""Histograms of pairs of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._categories import count_column
from vedette.components.metrics._columns import pick
from vedette_specs import Batch, Column, Fittable, Floats, Metric, Result, ResultContext, State, Tags
from vedette_specs.results import Value

Ints = NDArray[np.int64]
_MOST_PAIRS = 1000


class JointHistogram(Metric, Fittable):
    """Of pairs of columns: total variation distance of their joint shares to the reference's (`joint_distance`, in
    [0, 1]), and the mutual information of the pair in the window (`mutual_information`, nats, 0 when independent; the
    plug-in estimate, too large by about (bins - 1)^2 / 2n). Keys ``a,b``.

    pairs: the pairs; when None the `most_pairs` pairs of numeric columns whose ranks depend on each other most in the
    reference (mutual information).  bins: of a numeric column: between quantiles of the reference, and open at both
    ends; a category column has the reference's `bins` - 1 commonest categories and one for all others. Missing values
    are a bin of their own on both. The state is pairs x (bins + 1)^2 counts, merged exactly.
    Distances of small windows are large by chance: compare with those of windows of the same size.
    """

    tags = Tags(modalities=("numeric", "category"))

    pairs_: list[list[str]]
    columns_: list[str]
    edges_: list[Floats]
    categories_: list[list[str]]
    reference_: Ints

    def __init__(self, pairs: list[list[str]] | None = None, bins: int = 8, most_pairs: int = 10) -> None:
        if wrong := [pair for pair in pairs or [] if len(pair) != 2 or pair[0] == pair[1]]:
            raise ValueError(f"joint_histogram: pairs has {wrong}; allowed: lists of two different columns")
        if not 2 <= bins <= 100:
            raise ValueError(f"joint_histogram: bins is {bins}; allowed: 2 to 100")
        for name, count in (("most_pairs", most_pairs), ("number of pairs", len(pairs or [0]))):
            if not 1 <= count <= _MOST_PAIRS:
                raise ValueError(f"joint_histogram: {name} is {count}; allowed: 1 to {_MOST_PAIRS}")
        self.pairs = pairs
        self.bins = bins
        self.most_pairs = most_pairs

    def fit_batch(self, reference: Batch) -> None:
        if self.pairs is None:
            names = [name for name, column in reference.inputs.items() if column.kind == "numeric"]
            candidates = [[a, b] for i, a in enumerate(names) for b in names[i + 1 :]]
        else:
            candidates = [list(pair) for pair in self.pairs]
            wanted = list(dict.fromkeys(name for pair in candidates for name in pair))
            names = pick(reference, wanted, "numeric", "category", who="joint_histogram")
        self.columns_ = names
        self.edges_ = [_edges(reference.inputs[name], self.bins) for name in names]
        self.categories_ = [_categories(reference.inputs[name], self.bins) for name in names]
        places = self._places(reference)
        counts = np.array([self._table(places, pair) for pair in candidates], dtype=np.int64).reshape(
            len(candidates), self._side, self._side
        )
        order = list(range(len(candidates)))
        if self.pairs is None:
            order = sorted(order, key=lambda i: -_mutual_information(counts[i]))[: self.most_pairs]
        self.pairs_ = [candidates[i] for i in order]
        self.reference_ = counts[order]

    @property
    def _side(self) -> int:
        return self.bins + 1

    def _places(self, batch: Batch) -> dict[str, NDArray[np.intp]]:
        """column -> (n,) bins; the last one is for what is missing."""
        pick(batch, self.columns_, "numeric", "category", who="joint_histogram")
        found = {}
        for name, edges, known in zip(self.columns_, self.edges_, self.categories_, strict=True):
            column = batch.inputs[name]
            if column.kind == "numeric":
                place = np.searchsorted(edges, column.values, side="right")
                place[np.isnan(column.values)] = self.bins
            else:
                place = np.minimum(column.codes(known), self.bins - 1).astype(np.intp)
                place[place < 0] = self.bins
            found[name] = place
        return found

    def _table(self, places: dict[str, NDArray[np.intp]], pair: Sequence[str]) -> Ints:
        cells = places[pair[0]] * self._side + places[pair[1]]
        counts = np.bincount(cells, minlength=self._side**2).reshape(self._side, self._side)
        return np.asarray(counts, dtype=np.int64)

    def create(self) -> State:
        return {"rows": 0, "counts": np.zeros((0, self._side, self._side), dtype=np.int64)}

    def add(self, state: State, batch: Batch) -> State:
        self.check_fitted()
        places = self._places(batch)
        counts = np.array([self._table(places, pair) for pair in self.pairs_], dtype=np.int64)
        return self.merge(state, {"rows": len(batch), "counts": counts.reshape(-1, self._side, self._side)})

    def merge(self, left: State, right: State) -> State:
        a, b = left["counts"], right["counts"]
        return {"rows": left["rows"] + right["rows"], "counts": a + b if len(a) and len(b) else a if len(a) else b}

    def result(self, state: State, ctx: ResultContext) -> Result:
        rows, counts = state["rows"], state["counts"]
        if not rows or not len(counts):
            return Result({"joint_distance": None, "mutual_information": None}, rows, "insufficient")
        names = [",".join(pair) for pair in self.pairs_]
        expected = self.reference_ / self.reference_.sum(axis=(1, 2), keepdims=True)
        distance = np.abs(counts / rows - expected).sum(axis=(1, 2)) / 2.0
        information: dict[str, Any] = {
            name: _mutual_information(table) for name, table in zip(names, counts, strict=True)
        }
        values: dict[str, Value] = {
            "joint_distance": dict(zip(names, distance.tolist(), strict=True)),
            "mutual_information": information,
        }
        return Result(values, rows)


def _edges(column: Column, bins: int) -> Floats:
    """The inner edges between bins: distinct quantiles of the finite values."""
    if column.kind != "numeric":
        return np.empty(0)
    finite = column.values[np.isfinite(column.values)]
    if not len(finite):
        return np.empty(0)
    return np.unique(np.quantile(finite, np.arange(1, bins) / bins, method="inverted_cdf"))


def _categories(column: Column, bins: int) -> list[str]:
    if column.kind == "numeric":
        return []
    counts = count_column(column)[0]
    return sorted(counts, key=lambda name: (-counts[name], name))[: bins - 1]


def _mutual_information(counts: Ints) -> float:
    """Of a table of counts, in nats; rounding does not make it negative."""
    joint = counts / counts.sum()
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return max(0.0, float((joint[seen] * np.log(joint[seen] / independent[seen])).sum()))
