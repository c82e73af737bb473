"""Median absolute error from a mergeable sketch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vedette.components.metrics._regression import check_numbers, truth_and_answer
from vedette.components.metrics.quantile import Quantile
from vedette_specs import Batch, Metric, Result, ResultContext, Schema, State, Tags, numeric


class MedianError(Metric):
    """Median of |label - prediction|, in the label's unit, from 0; the lower of two medians.

    k: size of the KLL sketch. The answer's rank is within `details.rank_error` of one half (k = 200: .0133, with 99 %
    confidence); up to 512 rows it is exact. Rows whose label or prediction is missing or infinite are left out and
    counted in `details.left_out`.
    Source: Karnin, Lang, Liberty, "Optimal quantile approximation in streams" (FOCS 2016), by Apache DataSketches.
    """

    tags = Tags(needs_labels=True, needs_prediction=True, deterministic=False)

    def __init__(self, k: int = 200) -> None:
        if not 8 <= k <= 65535:
            raise ValueError(f"median_error: k is {k}; allowed: 8 to 65535")
        self.k = k

    def bind(self, schema: Schema) -> MedianError:
        check_numbers(schema, "median_error")
        super().bind(schema)
        return self

    def create(self) -> State:
        return self._sketch().create()

    def add(self, state: State, batch: Batch) -> State:
        truth, answer = truth_and_answer(batch)
        with np.errstate(over="ignore"):
            errors = numeric(np.abs(truth - answer))
        return self._sketch().add(state, Batch({"error": errors}))

    def merge(self, left: State, right: State) -> State:
        return self._sketch().merge(left, right)

    def result(self, state: State, ctx: ResultContext) -> Result:
        of_errors = self._sketch().result(state, ctx)
        by_column = of_errors.values["quantile"]
        median = by_column["error"] if isinstance(by_column, Mapping) else None
        left_out = int(state["missing"].sum())
        details = {"left_out": left_out, "rank_error": of_errors.details.get("rank_error"), "confidence": 0.99}
        return Result({"median_error": median}, state["rows"] - left_out, of_errors.status, details)

    def _sketch(self) -> Quantile:
        return Quantile(q=0.5, k=self.k)
