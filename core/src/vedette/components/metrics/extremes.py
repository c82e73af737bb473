"""Least and largest values of numeric columns."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._columns import by_column, pick, spread, stack, union
from vedette.components.metrics._counted import named
from vedette_specs import Batch, Floats, Metric, Result, ResultContext, State, Tags
from vedette_specs.results import Value


class Extremes(Metric):
    """Per numeric column: the k-th least (`kth_lowest`) and k-th largest value (`kth_highest`), exactly.

    k: which order statistic; details list all k `lowest` and `highest`, ties included. With k above 1 a rule on them
    is not moved by fewer than k odd values, as one on `min` and `max` of `moments` is. None where a column has fewer
    than k values.  columns: numeric input columns; all of them when None.
    Missing values are left out and counted in details; infinite ones are values like others.
    """

    tags = Tags(modalities=("numeric",))

    def __init__(self, k: int = 5, columns: list[str] | None = None) -> None:
        if not 1 <= k <= 1000:
            raise ValueError(f"extremes: k is {k}; allowed: 1 to 1000")
        self.k = k
        self.columns = columns

    def create(self) -> State:
        empty = np.zeros((0, self.k))
        counts = np.zeros(0, dtype=np.int64)
        return {"rows": 0, "columns": [], "lowest": empty, "highest": empty, "n": counts, "missing": counts}

    def add(self, state: State, batch: Batch) -> State:
        names = pick(batch, self.columns, "numeric", who="extremes")
        x = stack(batch, names)
        missing = np.count_nonzero(np.isnan(x), axis=1).astype(np.int64)
        padded = np.concatenate([x, np.full((len(names), self.k), np.nan)], axis=1)
        part = {
            "rows": len(batch),
            "columns": names,
            "lowest": self._least(np.where(np.isnan(padded), np.inf, padded)),
            "highest": -self._least(np.where(np.isnan(padded), np.inf, -padded)),
            "n": x.shape[1] - missing,
            "missing": missing,
        }
        return self.merge(state, part)

    def _least(self, x: Floats) -> Floats:
        """(d, k) least values of `x` (d, m), m >= k, ascending."""
        return np.asarray(np.sort(np.partition(x, self.k - 1, axis=1)[:, : self.k], axis=1))

    def merge(self, left: State, right: State) -> State:
        columns = union(left["columns"] or right["columns"], right["columns"] or left["columns"])
        neutral = {"lowest": np.inf, "highest": -np.inf, "n": 0, "missing": 0}
        a, b = spread(left, columns, neutral), spread(right, columns, neutral)
        return {
            "rows": left["rows"] + right["rows"],
            "columns": columns,
            "lowest": self._least(np.concatenate([a["lowest"], b["lowest"]], axis=1)),
            "highest": -self._least(-np.concatenate([a["highest"], b["highest"]], axis=1)),
            "n": a["n"] + b["n"],
            "missing": a["missing"] + b["missing"],
        }

    def result(self, state: State, ctx: ResultContext) -> Result:
        columns, n = state["columns"], state["n"]
        if not n.any():
            return Result({"kth_lowest": None, "kth_highest": None}, state["rows"], "insufficient")
        enough = n >= self.k
        values: dict[str, Value] = {
            "kth_lowest": by_column(columns, np.where(enough, state["lowest"][:, -1], np.nan)),
            "kth_highest": by_column(columns, np.where(enough, state["highest"][:, -1], np.nan)),
        }
        kept = {
            side: {name: row[: min(self.k, m)].tolist() for name, row, m in zip(columns, state[side], n, strict=True)}
            for side in ("lowest", "highest")
        }
        return Result(values, state["rows"], "ok", {**kept, "missing": named(columns, state["missing"])})
