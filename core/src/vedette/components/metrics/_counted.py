"""Metrics whose state is some whole numbers a column, added up."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vedette.components.metrics._columns import spread, union
from vedette_specs import Batch, Metric, State

Ints = NDArray[np.int64]


class ColumnCounts(Metric):
    """State: `rows`, `columns`, and for each of `COUNTS` an int64 array with a number a column. Merging is exact."""

    COUNTS: ClassVar[tuple[str, ...]]

    @abstractmethod
    def counted(self, batch: Batch) -> tuple[Sequence[str], Mapping[str, Ints]]:
        """The columns that are read (d), and the (d,) counts of these rows by name."""

    def create(self) -> State:
        return {"rows": 0, "columns": [], **{key: np.zeros(0, dtype=np.int64) for key in self.COUNTS}}

    def add(self, state: State, batch: Batch) -> State:
        names, counts = self.counted(batch)
        part = {key: np.asarray(counts[key], dtype=np.int64) for key in self.COUNTS}
        return self.merge(state, {"rows": len(batch), "columns": list(names), **part})

    def merge(self, left: State, right: State) -> State:
        columns = union(left["columns"] or right["columns"], right["columns"] or left["columns"])
        neutral = dict.fromkeys(self.COUNTS, 0.0)
        a, b = spread(left, columns, neutral), spread(right, columns, neutral)
        counts = {key: a[key] + b[key] for key in self.COUNTS}
        return {"rows": left["rows"] + right["rows"], "columns": columns, **counts}


def ratio(part: Ints, whole: Ints) -> NDArray[np.float64]:
    """part / whole, NaN where there is nothing to divide by."""
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))


def named(columns: Sequence[str], counts: NDArray[np.int64]) -> dict[str, int]:
    """column -> whole number."""
    return dict(zip(columns, counts.tolist(), strict=True))
