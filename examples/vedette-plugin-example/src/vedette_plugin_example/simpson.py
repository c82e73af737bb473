"""Diversity of category columns."""

from __future__ import annotations

from collections import Counter

import numpy as np

from vedette_specs import Batch, Metric, Result, ResultContext, State, Tags


class Simpson(Metric):
    """Simpson's index per category column: value `simpson`, how probably two rows differ; 0 where all are alike.

    columns: category input columns; all of them when None.
    limit: most categories counted a column; what is rarer counts as one category.
    Missing values are left out. Source: Simpson, "Measurement of diversity" (1949).
    """

    tags = Tags(modalities=("category",))

    def __init__(self, columns: list[str] | None = None, limit: int = 1000) -> None:
        if limit < 2:
            raise ValueError(f"limit: {limit} is less than 2")
        self.columns = columns
        self.limit = limit

    def create(self) -> State:
        return {"n": 0, "counts": {}}

    def add(self, state: State, batch: Batch) -> State:
        names = self.columns or [name for name, column in batch.inputs.items() if column.kind == "category"]
        counts = {}
        for name in names:
            column = batch.inputs[name]
            found, n = np.unique(column.values[~column.missing()], return_counts=True)
            counts[name] = {column.categories[code]: int(k) for code, k in zip(found, n, strict=True)}
        return self.merge(state, {"n": len(batch), "counts": counts})

    def merge(self, left: State, right: State) -> State:
        names = left["counts"].keys() | right["counts"].keys()
        both = {k: Counter(left["counts"].get(k, {})) + Counter(right["counts"].get(k, {})) for k in names}
        return {"n": left["n"] + right["n"], "counts": {name: dict(counts) for name, counts in both.items()}}

    def result(self, state: State, ctx: ResultContext) -> Result:
        known = {name: counts for name, counts in sorted(state["counts"].items()) if counts}
        if not known:
            return Result({"simpson": None}, state["n"], "insufficient")
        return Result({"simpson": {name: self._index(counts) for name, counts in known.items()}}, state["n"])

    def _index(self, counts: dict[str, int]) -> float:
        n = np.sort(np.array(list(counts.values()), dtype=np.float64))[::-1]
        if len(n) > self.limit:
            n = np.append(n[: self.limit - 1], n[self.limit - 1 :].sum())
        p = n / n.sum()
        return float(1 - (p**2).sum())
