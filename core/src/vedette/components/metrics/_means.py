"""Metrics that are the mean of a number per row: errors, losses, hits, costs."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import numpy as np

from vedette.components.metrics._weights import Weighted
from vedette_specs import Batch, Floats, Result, ResultContext, State
from vedette_specs.results import Value

Counted = dict[str, int]


def known_number(value: float) -> float | None:
    """None where a value is not finite: not known, rather than a number that JSON does not have."""
    return value if math.isfinite(value) else None


class MeanMetric(Weighted):
    """The (weighted) mean of `per_row`. Rows without a number are left out and counted in `details.left_out`.

    name: of the value.  counters: what `per_row` counts besides, shown in the details.
    share: whether `per_row` says 1 or 0, so that the mean is a share of the rows.
    """

    name: ClassVar[str]
    share: ClassVar[bool] = False
    counters: ClassVar[tuple[str, ...]] = ()
    additive = ("total", "weight")

    @abstractmethod
    def per_row(self, batch: Batch) -> tuple[Floats, Counted]:
        """((n,) numbers, NaN for a row that is left out; counts by the names in `counters`)."""

    def create(self) -> State:
        return {"total": 0.0, "weight": 0.0, "n": 0, "left_out": 0, **dict.fromkeys(self.counters, 0)}

    def add(self, state: State, batch: Batch) -> State:
        with np.errstate(over="ignore", invalid="ignore"):  # numbers past 1.8e308 give a result that is not known
            numbers, counted = self.per_row(batch)
            known, weights = self.weighed(batch, ~np.isnan(numbers))
            numbers = numbers[known]
            total = float(numbers.sum() if weights is None else (numbers * weights).sum())
        part = {
            "total": total,
            "weight": float(len(numbers) if weights is None else weights.sum()),
            "n": len(numbers),
            "left_out": len(batch) - len(numbers),
            **counted,
        }
        return self.merge(state, part)

    def merge(self, left: State, right: State) -> State:
        return {key: left[key] + right[key] for key in left}

    def shares(self, state: State) -> dict[str, float]:
        return {self.name: float(state["n"])} if self.share else {}

    def result(self, state: State, ctx: ResultContext) -> Result:
        mean = known_number(state["total"] / state["weight"]) if state["weight"] else None
        details = {key: state[key] for key in ("left_out", *self.counters)}
        return Result(self.values(mean, state), state["n"], "insufficient" if mean is None else "ok", details)

    def values(self, mean: float | None, state: State) -> dict[str, Value]:
        """The named values; `mean` is None where it is not known."""
        return {self.name: mean}
