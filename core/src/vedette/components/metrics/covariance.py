"""Covariances and correlations of numeric columns."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._columns import pick
from vedette.components.metrics._comoments import combine, comoments_of, correlation, empty
from vedette_specs import Batch, Floats, Metric, Result, ResultContext, State, Tags
from vedette_specs.results import Value

_MOST = 200  # columns: the state has their number squared


class Covariance(Metric):
    """Of numeric columns together: `covariance` (n - 1) and Pearson `correlation` of each pair, keys ``a,b`` with a
    before b in sorted order; variances are ``a,a``. The mean vector is in details.

    columns: numeric input columns, at most 200; all of them when None.
    Rows with a missing or infinite value in any of them are left out and counted in `details.left_out`. A correlation
    with a column that does not vary is not known.
    Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """

    tags = Tags(modalities=("numeric",), state_version=2)

    def __init__(self, columns: list[str] | None = None) -> None:
        if columns is not None and len(columns) > _MOST:
            raise ValueError(f"covariance: columns has {len(columns)} names; allowed: at most {_MOST}")
        self.columns = columns

    def create(self) -> State:
        return empty()

    def add(self, state: State, batch: Batch) -> State:
        names = sorted(pick(batch, self.columns, "numeric", who="covariance"))
        if len(names) > _MOST:
            raise ValueError(f"covariance: the batch has {len(names)} numeric columns; name at most {_MOST}: columns")
        x = batch.matrix(names)
        finite = np.isfinite(x).all(axis=1)
        return self.merge(state, comoments_of(len(batch), names, x if finite.all() else x[finite]))

    def merge(self, left: State, right: State) -> State:
        return combine(left, right, "covariance")

    def result(self, state: State, ctx: ResultContext) -> Result:
        columns, n, comoment = state["columns"], state["n"], state["comoment"]
        details = {"left_out": state["rows"] - n}
        if n < 2 or not columns:
            return Result({"covariance": None, "correlation": None}, n, "insufficient", details)
        mean = dict(zip(columns, state["mean"].tolist(), strict=True))
        values: dict[str, Value] = {
            "covariance": _by_pair(columns, comoment / (n - 1), 0),
            "correlation": _by_pair(columns, correlation(comoment), 1),
        }
        return Result(values, n, "ok", {**details, "mean": mean})


def _by_pair(columns: list[str], matrix: Floats, offset: int) -> dict[str, float | None]:
    """The upper triangle; offset 1 leaves the diagonal out."""
    i, j = np.triu_indices(len(columns), offset)
    found = matrix[i, j].tolist()
    pairs = zip(i.tolist(), j.tolist(), found, strict=True)
    return {f"{columns[a]},{columns[b]}": value if np.isfinite(value) else None for a, b, value in pairs}
