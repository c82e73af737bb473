"""Entropy of category columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vedette.components.metrics.frequencies import Frequencies
from vedette_specs import Batch, Metric, Result, ResultContext, State, Tags
from vedette_specs.results import Value


class _Counting(Frequencies):
    NAME = "entropy"


class Entropy(Metric):
    """Per category column: Shannon entropy of the shares of its categories (`entropy`, bits; 0 for one category), and
    its ratio to that of equal shares (`evenness`, in [0, 1]; unknown for one category). The plug-in estimate.

    max_categories: categories counted one by one; up to it the value is exact. Beyond it all others count as one,
    which makes the entropy too small by at most `details.bound` bits.  columns: category columns; all when None.
    Missing values are left out and counted in details.
    """

    tags = Tags(modalities=("category",))

    def __init__(self, columns: list[str] | None = None, max_categories: int = 1000) -> None:
        if max_categories < 2:
            raise ValueError(f"entropy: max_categories is {max_categories}; allowed: 2 or more")
        self.columns = columns
        self.max_categories = max_categories

    @property
    def _counting(self) -> Frequencies:
        return _Counting(self.columns, max_categories=self.max_categories)

    def create(self) -> State:
        return self._counting.create()

    def add(self, state: State, batch: Batch) -> State:
        return self._counting.add(state, batch)

    def merge(self, left: State, right: State) -> State:
        return self._counting.merge(left, right)

    def result(self, state: State, ctx: ResultContext) -> Result:
        found = {name: _entropy(state["tables"][name]) for name in sorted(state["tables"])}
        known = {name: item for name, item in found.items() if item is not None}
        if not known:
            return Result({"entropy": None, "evenness": None}, state["n"], "insufficient")
        values: dict[str, Value] = {
            "entropy": {name: known[name][0] if name in known else None for name in found},
            "evenness": {name: known[name][1] if name in known else None for name in found},
        }
        details = {
            "bound": {name: item[2] for name, item in known.items()},
            "missing": {name: state["missing"][name] for name in found},
        }
        return Result(values, state["n"], "ok", details)


def _entropy(table: Mapping[str, Any]) -> tuple[float, float | None, float] | None:
    """Entropy, evenness (None for one category), and the bound of what is lacking; None where nothing was counted."""
    counts = np.array([*sorted(table["counts"]), table["other"]], dtype=np.float64)
    counts = counts[counts > 0]
    if not len(counts):
        return None
    shares = counts / counts.sum()
    entropy = max(0.0, -float(shares @ np.log2(shares)))
    evenness = entropy / float(np.log2(len(counts))) if len(counts) > 1 else None
    other = float(table["other"])
    return entropy, evenness, other / float(counts.sum()) * float(np.log2(other)) if other > 1 else 0.0
