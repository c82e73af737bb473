"""Share of rows that repeat another."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._columns import pick
from vedette.components.metrics._row_hashes import row_hashes
from vedette_specs import Batch, Metric, Result, ResultContext, State, Tags
from vedette_specs.results import Value

_SPACE = float(2**64)


class DuplicateRows(Metric):
    """Share of rows whose values have been seen before in the window (`duplicate_rows`): 1 - distinct rows / rows, in
    [0, 1]; and the number of `distinct_rows`. Missing values equal each other.

    k: the k least 64-bit hashes of rows are kept, which merge exactly in any order. Up to k different rows the value is
    exact; beyond it the standard error is (1 - duplicate_rows) / sqrt(k - 2), given in `details.standard_error`.
    columns: input columns that are compared; all of them when None.
    Source: Bar-Yossef et al. (2002); Beyer et al., "On synopses for distinct-value estimation" (SIGMOD 2007).
    """

    tags = Tags()

    def __init__(self, k: int = 4096, columns: list[str] | None = None) -> None:
        if not 16 <= k <= 1_000_000:
            raise ValueError(f"duplicate_rows: k is {k}; allowed: 16 to 1000000")
        self.k = k
        self.columns = columns

    def create(self) -> State:
        return {"rows": 0, "hashes": np.zeros(0, dtype=np.uint64), "all": True}

    def add(self, state: State, batch: Batch) -> State:
        names = sorted(pick(batch, self.columns, who="duplicate_rows"))
        hashes = np.unique(row_hashes(batch, names)) if names else np.zeros(0, dtype=np.uint64)
        return self.merge(state, {"rows": len(batch) if names else 0, "hashes": hashes, "all": True})

    def merge(self, left: State, right: State) -> State:
        hashes = np.union1d(left["hashes"], right["hashes"])
        whole = left["all"] and right["all"] and len(hashes) <= self.k
        return {"rows": left["rows"] + right["rows"], "hashes": hashes[: self.k], "all": whole}

    def result(self, state: State, ctx: ResultContext) -> Result:
        rows, hashes = state["rows"], state["hashes"]
        if not rows:
            return Result({"duplicate_rows": None, "distinct_rows": None}, 0, "insufficient")
        exact = float(len(hashes))
        distinct = exact if state["all"] else min((self.k - 1) * _SPACE / max(float(hashes[-1]), 1.0), float(rows))
        error = 0.0 if state["all"] else distinct / rows / float(np.sqrt(self.k - 2))
        values: dict[str, Value] = {"duplicate_rows": 1.0 - distinct / rows, "distinct_rows": distinct}
        return Result(values, rows, "ok", {"standard_error": error})
