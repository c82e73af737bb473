"""Number of different values."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasketches import hll_sketch, hll_union

from vedette.components.metrics._categories import hash_of
from vedette.components.metrics._columns import pick
from vedette_specs import Batch, Column, Metric, Result, ResultContext, State, Tags


class DistinctCount(Metric):
    """Per column: the number of different known values (`distinct_count`), by a HyperLogLog sketch.

    lg_k: size of the sketch, 2^lg_k bytes a column. The estimate is within `details.lower` and `details.upper` with
    95 % confidence: relative standard error about 1.04 / sqrt(2^lg_k), 1.6 % for 12; up to some hundred values it is
    practically exact.  columns: category, text or numeric columns; all category and text columns when None.
    Missing values are left out and counted in details.
    Source: Flajolet et al., "HyperLogLog" (2007), by Apache DataSketches.
    """

    tags = Tags(modalities=("category", "text", "numeric"), deterministic=False)

    def __init__(self, lg_k: int = 12, columns: list[str] | None = None) -> None:
        if not 7 <= lg_k <= 21:
            raise ValueError(f"distinct_count: lg_k is {lg_k}; allowed: 7 to 21")
        self.lg_k = lg_k
        self.columns = columns

    def create(self) -> State:
        return {"rows": 0, "sketches": {}, "missing": {}}

    def add(self, state: State, batch: Batch) -> State:
        kinds = ("category", "text") if self.columns is None else ("category", "text", "numeric")
        names = pick(batch, self.columns, *kinds, who="distinct_count")
        sketches, missing = {}, {}
        for name in names:
            sketch = hll_sketch(self.lg_k)
            values, missing[name] = _distinct(batch.inputs[name])
            for value in values:
                sketch.update(value)
            sketches[name] = sketch.serialize_compact()
        return self.merge(state, {"rows": len(batch), "sketches": sketches, "missing": missing})

    def merge(self, left: State, right: State) -> State:
        a, b, gone = left["sketches"], right["sketches"], (left["missing"], right["missing"])
        sketches = {name: self._union(a[name], b[name]) if name in a and name in b else (a | b)[name] for name in a | b}
        missing = {name: gone[0].get(name, 0) + gone[1].get(name, 0) for name in sketches}
        return {"rows": left["rows"] + right["rows"], "sketches": sketches, "missing": missing}

    def _union(self, a: bytes, b: bytes) -> bytes:
        union = hll_union(self.lg_k)
        union.update(hll_sketch.deserialize(a))
        union.update(hll_sketch.deserialize(b))
        return bytes(union.get_result().serialize_compact())

    def result(self, state: State, ctx: ResultContext) -> Result:
        names = sorted(state["sketches"])
        known = {name: hll_sketch.deserialize(state["sketches"][name]) for name in names}
        counts: dict[str, float | None] = {n: None if s.is_empty() else s.get_estimate() for n, s in known.items()}
        if not any(counts.values()):
            return Result({"distinct_count": None}, state["rows"], "insufficient")
        details: dict[str, Any] = {
            "lower": {name: sketch.get_lower_bound(2) for name, sketch in known.items()},
            "upper": {name: sketch.get_upper_bound(2) for name, sketch in known.items()},
            "missing": {name: state["missing"][name] for name in names},
        }
        return Result({"distinct_count": counts}, state["rows"], "ok", details)


def _distinct(column: Column) -> tuple[list[Any], int]:
    """The different known values as what a sketch takes, and the number of missing ones."""
    missing = int(np.count_nonzero(column.missing())) if len(column) else 0
    if column.kind == "numeric":
        return np.unique(column.values[~np.isnan(column.values)] + 0.0).tolist(), missing
    if column.kind == "category":
        seen = np.unique(column.values[column.values >= 0]).tolist()
        texts = {column.categories[code] for code in seen}
    else:
        texts = {item for item in column.values.tolist() if item is not None}
    # Hashed to 63 bits first: the sketch refuses texts that are not valid UTF-8.
    return [hash_of(text) >> 1 for text in texts], missing
