"""Share of missing values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vedette.components.metrics._columns import by_column, pick, spread, union
from vedette_specs import Batch, Metric, Result, ResultContext, State, Tags
from vedette_specs.results import Value

_NEUTRAL = {"rows": 0, "missing": 0}


class MissingRate(Metric):
    """Share of missing values, per column (`missing_rate`) and over all cells (`overall_missing_rate`), in [0, 1].

    columns: input columns to look at; all of them, of every kind, when None.
    """

    tags = Tags()
    additive = ("rows", "missing")

    def __init__(self, columns: list[str] | None = None) -> None:
        self.columns = columns

    def create(self) -> State:
        return {"n": 0, "columns": [], "rows": np.zeros(0, dtype=np.int64), "missing": np.zeros(0, dtype=np.int64)}

    def add(self, state: State, batch: Batch) -> State:
        names = pick(batch, self.columns, who="missing_rate")
        missing = [int(np.count_nonzero(batch.inputs[name].missing())) if len(batch) else 0 for name in names]
        part = {
            "n": len(batch),
            "columns": names,
            "rows": np.full(len(names), len(batch), dtype=np.int64),
            "missing": np.array(missing, dtype=np.int64),
        }
        return self.merge(state, part)

    def merge(self, left: State, right: State) -> State:
        columns = union(left["columns"] or right["columns"], right["columns"] or left["columns"])
        a, b = spread(left, columns, _NEUTRAL), spread(right, columns, _NEUTRAL)
        return {"n": left["n"] + right["n"], "columns": columns, **{key: a[key] + b[key] for key in _NEUTRAL}}

    def shares(self, state: State) -> dict[str, float | Mapping[str, float]]:
        by_name = dict(zip(state["columns"], state["rows"].tolist(), strict=True))
        return {"missing_rate": by_name, "overall_missing_rate": state["n"]}  # the cells of a row can go together

    def result(self, state: State, ctx: ResultContext) -> Result:
        rows, missing = state["rows"], state["missing"]
        if state["n"] == 0 or len(rows) == 0:
            return Result({"missing_rate": None, "overall_missing_rate": None}, state["n"], "insufficient")
        rates = np.divide(missing, rows, out=np.full(len(rows), np.nan), where=rows > 0)
        overall = float(missing.sum() / rows.sum())
        values: dict[str, Value] = {"missing_rate": by_column(state["columns"], rates), "overall_missing_rate": overall}
        return Result(values, state["n"], "ok", {"missing": dict(zip(state["columns"], missing.tolist(), strict=True))})
